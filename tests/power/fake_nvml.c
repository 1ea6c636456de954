/* A libnvidia-ml.so.1 for tests: boards of analytic power, a counter that latches, and faults at given times.
 *
 * It reads "key=value" lines of the file that FAKE_NVML names, at nvmlInitWithFlags; times count from there, in ms:
 *   host                a number in the boards' UUIDs
 *   gpus idle_w busy_w busy_from busy_to latch_ms power_ms start_mj limit_w mig mig_instances pids
 *   init_error          what nvmlInitWithFlags returns
 *   missing_fields      comma list of field ids that are not supported
 *   module_only         1: power has no GPU scope, only the module's (GH200)
 *   lost_after          every call on a device fails with GPU_IS_LOST from then on
 *   back_after          ... until then
 *   reset_after         the counter begins again at 0
 *   stuck_after         the counter moves no more
 *   denied              1: fields answer NO_PERMISSION
 * Build: gcc -shared -fPIC -O1 -o libnvidia-ml.so.1 fake_nvml.c
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, TOO_SMALL = 7, LOST = 15, INSTANCE = 1000 };

typedef struct {
    uint32_t field, scope;
    int64_t timestamp, latency_us;
    uint32_t type, result;
    union { double d; uint32_t u; unsigned long long ull; } value;
} field_value;

typedef struct { unsigned pid; unsigned long long memory; unsigned gi, ci; } process_info;

static double started_ms;
static char text[4096];

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static const char *found(const char *key) {
    size_t length = strlen(key);
    for (const char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (!strncmp(at, key, length) && at[length] == '=') return at + length + 1;
    return NULL;
}

static double setting(const char *key, double otherwise) {
    const char *value = found(key);
    return value ? atof(value) : otherwise;
}

static int listed(const char *key, unsigned wanted) {
    const char *at = found(key);
    while (at && *at && *at != '\n') {
        if ((unsigned)strtoul(at, (char **)&at, 10) == wanted) return 1;
        if (*at == ',') at++;
        else break;
    }
    return 0;
}

static double watts(double at_ms) {
    int busy = at_ms >= setting("busy_from", 1e18) && at_ms < setting("busy_to", 1e18);
    return busy ? setting("busy_w", 600) : setting("idle_w", 100);
}

static double joules(double at_ms) {
    double from = setting("busy_from", 1e18), to = setting("busy_to", 1e18);
    double end = at_ms < to ? at_ms : to, busy_ms = end > from ? end - from : 0;
    double idle_w = setting("idle_w", 100);
    return (idle_w * at_ms + (setting("busy_w", 600) - idle_w) * busy_ms) / 1e3;
}

static unsigned long long counter_mj(double at_ms) {
    double stuck = setting("stuck_after", 1e18), reset = setting("reset_after", 1e18), latch = setting("latch_ms", 100);
    if (at_ms > stuck) at_ms = stuck;
    at_ms = (long long)(at_ms / latch) * latch;
    if (at_ms >= reset) return (unsigned long long)((joules(at_ms) - joules(reset)) * 1e3);
    return (unsigned long long)(setting("start_mj", 5e6) + joules(at_ms) * 1e3);
}

static int lost(void) {
    double at_ms = now_ms() - started_ms;
    return at_ms >= setting("lost_after", 1e18) && at_ms < setting("back_after", 1e18);
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    text[file ? fread(text, 1, sizeof text - 1, file) : 0] = 0;
    if (file) fclose(file);
    started_ms = now_ms();
    return (int)setting("init_error", OK);
}

int nvmlShutdown(void) { return OK; }

const char *nvmlErrorString(int result) { return result == LOST ? "GPU is lost" : "an error of the fake"; }

int nvmlSystemGetDriverVersion(char *to, unsigned length) { return snprintf(to, length, "999.1"), OK; }

int nvmlDeviceGetCount_v2(unsigned *count) { return *count = (unsigned)setting("gpus", 1), OK; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    if (index >= (unsigned)setting("gpus", 1)) return INVALID;
    *device = (void *)(uintptr_t)(index + 1);
    return lost() ? LOST : OK;
}

int nvmlDeviceGetUUID(void *device, char *to, unsigned length) {
    if ((uintptr_t)device >= INSTANCE)
        return snprintf(to, length, "MIG-11111111-0000-0000-0000-%012lu", (unsigned long)((uintptr_t)device - INSTANCE)), OK;
    return snprintf(to, length, "GPU-00000000-0000-0000-%04u-%012lu", (unsigned)setting("host", 0), (unsigned long)(uintptr_t)device - 1), OK;
}

int nvmlDeviceGetMaxMigDeviceCount(void *device, unsigned *count) {
    (void)device;
    return *count = 7, OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned index, void **instance) {
    if (index >= (unsigned)setting("mig_instances", 0)) return NOT_FOUND;
    *instance = (void *)(INSTANCE + ((uintptr_t)device - 1) * 100 + index);
    return OK;
}

int nvmlDeviceGetName(void *device, char *to, unsigned length) {
    (void)device;
    return snprintf(to, length, "NVIDIA Fake H200"), OK;
}

int nvmlDeviceGetMigMode(void *device, unsigned *current, unsigned *pending) {
    (void)device;
    return *current = *pending = (unsigned)setting("mig", 0), OK;
}

static int power_scope_is_there(uint32_t scope) { return setting("module_only", 0) ? scope == 1 : scope == 0; }

static void answer(field_value *value) {
    double at_ms = now_ms() - started_ms, period = setting("power_ms", 100);
    double latched_ms = (long long)(at_ms / period) * period;
    value->result = OK;
    value->timestamp = (int64_t)time(NULL) * 1000000;
    value->latency_us = 0;
    value->type = 1;
    if (setting("denied", 0)) { value->result = NO_PERMISSION; return; }
    if (listed("missing_fields", value->field)) { value->result = NOT_SUPPORTED; return; }
    switch (value->field) {
    case 186:
        if (!power_scope_is_there(value->scope)) value->result = NOT_SUPPORTED;
        else value->value.u = (uint32_t)(watts(latched_ms) * 1e3);
        break;
    case 185:
        if (!power_scope_is_there(value->scope)) value->result = NOT_SUPPORTED;
        else value->value.u = (uint32_t)(joules(latched_ms) - joules(latched_ms > 1000 ? latched_ms - 1000 : 0)) * 1000;
        break;
    case 83:
        value->type = 3;
        value->value.ull = counter_mj(at_ms);
        break;
    case 189:
    case 190:
        value->value.u = (uint32_t)(setting("limit_w", 700) * 1e3);
        break;
    default:
        value->result = NOT_SUPPORTED;
    }
}

int nvmlDeviceGetFieldValues(void *device, int count, field_value *values) {
    (void)device;
    if (lost()) return LOST;
    for (int i = 0; i < count; i++) answer(&values[i]);
    return OK;
}

int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *to) {
    (void)device;
    return *to = counter_mj(now_ms() - started_ms), lost() ? LOST : OK;
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *to) {
    (void)device, (void)sensor;
    return *to = 41, lost() ? LOST : OK;
}

int nvmlDeviceGetClockInfo(void *device, int kind, unsigned *to) {
    (void)device;
    return *to = kind == 2 ? 3201 : 1980, OK;
}

int nvmlDeviceGetUtilizationRates(void *device, unsigned *to) {
    (void)device;
    return to[0] = 97, to[1] = 55, OK;
}

int nvmlDeviceGetCurrentClocksEventReasons(void *device, unsigned long long *to) {
    (void)device;
    return *to = (unsigned long long)setting("throttle", 0), OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, process_info *to) {
    unsigned room = *count, pids = 0;
    for (const char *at = (uintptr_t)device == 1 ? found("pids") : NULL; at && *at >= '0' && *at <= '9';) {
        unsigned pid = (unsigned)strtoul(at, (char **)&at, 10);
        if (pids < room && to) to[pids] = (process_info){pid, 1 << 30, ~0u, ~0u};
        pids++;
        if (*at == ',') at++;
    }
    *count = pids;
    return pids > room ? TOO_SMALL : OK;
}
