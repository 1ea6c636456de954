// The floor: what a client costs that only counts. N keep-alive connections, each sends its next request when its last
// one ended; a read costs one wait, one recv, one clock call and a search for the ends of events.
//
//   client --port 9000 [--streams 100] [--requests 400] [--tokens 400] [--ramp-ms 0] [--stamp] [--model bench]
//
// With --stamp (of a source with --stamp) it also reads each token's stamp: the event's delay from the source's write
// to our read, exact because both read CLOCK_MONOTONIC of one machine. Without a proxy between, that is the baseline.
// --ramp-ms spreads the starts of the first requests over that time. Prints one JSON object.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 16, MAX_EVENTS = 256 };

typedef struct {
    int fd;
    bool busy;
    size_t len;      // of buf in use: the part of an event that has not ended
    int events;      // of this response, the role event included
    int tokens;      // of these, token events
    int64_t sent_ns, last_ns, start_ns;
    char *buf;
} Stream;

typedef struct {
    uint32_t *at;
    size_t len, cap;
} Sample;

static int port = 9000, streams_n = 100, requests = 400, tokens = 400, ramp_ms;
static bool stamp;
static const char *model = "bench";
static char request[2048];
static size_t request_len;
static Stream *streams;
static Sample ttft, itl, delay;
static int started, ended, failed, busy;
static long long content_events, reads;
static int epoll_fd;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void note(Sample *s, int64_t ns) {
    if (s->len == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 1 << 16;
        s->at = realloc(s->at, s->cap * sizeof *s->at);
        if (!s->at) { perror("client: out of memory"); exit(1); }
    }
    s->at[s->len++] = ns < 0 ? 0 : ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static void open_stream(Stream *s) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(s->fd, (struct sockaddr *)&to, sizeof to)) { perror("client: connect"); exit(1); }
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {EPOLLIN, {.ptr = s}};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &e);
}

static void ask(Stream *s) {
    if (started == requests) return;
    started++;
    if (!s->fd) open_stream(s);
    s->len = 0;
    s->events = s->tokens = 0;
    s->busy = true;
    busy++;
    if (send(s->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len) { perror("client: send"); exit(1); }
    s->sent_ns = now_ns();
}

static void finish(Stream *s, bool good) {
    s->busy = false;
    busy--;
    if (good) ended++;
    else {
        failed++;
        close(s->fd);
        s->fd = 0;
    }
    ask(s);
}

static int64_t stamp_of(const char *event, size_t len) {  // 0: the event holds no token
    const char *text = memmem(event, len, "\"content\":\"", 11);
    return text && text[11] >= '0' && text[11] <= '9' ? strtoll(text + 11, NULL, 10) : 0;
}

// Whose events these are is not said by their number when a proxy makes them anew (LiteLLM adds one with the finish reason
// and puts the role into the first token's): with stamps a token is what has one. Without, the source's own order tells:
// the first event has only the role, those after the last token are usage and [DONE].
static void one_event(Stream *s, const char *event, size_t len, int64_t now) {
    s->events++;
    int64_t stamped_ns = stamp ? stamp_of(event, len) : 0;
    if (stamp ? !stamped_ns : s->events < 2 || s->events > tokens + 1) return;
    content_events++;
    if (s->tokens++) note(&itl, now - s->last_ns);
    else note(&ttft, now - s->sent_ns);
    s->last_ns = now;
    if (stamp) note(&delay, now - stamped_ns);
}

static void readable(Stream *s) {
    ssize_t n = recv(s->fd, s->buf + s->len, BUFFER - s->len, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0 || !s->busy) {
        if (s->busy) { finish(s, false); return; }
        close(s->fd);
        s->fd = 0;
        return;
    }
    int64_t now = now_ns();
    reads++;
    char *at = s->buf, *end = s->buf + s->len + n, *blank;
    char *from = s->len ? at + s->len - 1 : at;              // what came before was searched before
    while ((blank = memmem(from, (size_t)(end - from), "\n\n", 2))) {
        one_event(s, at, (size_t)(blank - at), now);
        at = from = blank + 2;
    }
    s->len = (size_t)(end - at);
    if (s->len == 7 && !memcmp(at, "\r\n0\r\n\r\n", 7)) { finish(s, stamp ? s->tokens == tokens : s->events == tokens + 3); return; }
    if (s->len == BUFFER || (!s->events && s->len > 12 && memcmp(s->buf + 9, "200", 3))) {
        fprintf(stderr, "client: unexpected answer: %.*s\n", (int)(s->len > 300 ? 300 : s->len), s->buf);
        finish(s, false);
        return;
    }
    if (at != s->buf) memmove(s->buf, at, s->len);
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_sample(const char *name, Sample *s) {
    qsort(s->at, s->len, sizeof *s->at, compare);
    double sum = 0;
    for (size_t i = 0; i < s->len; i++) sum += s->at[i];
    if (!s->len) { printf(",\"%s\":null", name); return; }
    printf(",\"%s\":{\"count\":%zu,\"mean\":%.4f,\"p50\":%.4f,\"p99\":%.4f,\"max\":%.4f}", name, s->len, sum / (double)s->len / 1e6,
           s->at[s->len / 2] / 1e6, s->at[s->len * 99 / 100] / 1e6, s->at[s->len - 1] / 1e6);
}

static double cpu_s(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void write_request(void) {
    char body[1024];
    int len = snprintf(body, sizeof body, "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"the same thirty or so words each time\"}],"
                       "\"max_tokens\":%d,\"stream\":true,\"stream_options\":{\"include_usage\":true},\"ignore_eos\":true}", model, tokens);
    request_len = (size_t)snprintf(request, sizeof request, "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                                   "Content-Length: %d\r\n\r\n%s", port, len, body);
}

static int start_due(Stream *s, int next, int64_t now) {  // ramp: begin those whose time has come
    while (next < streams_n && s[next].start_ns <= now) ask(&s[next++]);
    return next;
}

static int by_start(const void *a, const void *b) {
    int64_t x = ((const Stream *)a)->start_ns, y = ((const Stream *)b)->start_ns;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";
        if (!strcmp(argv[i], "--stamp")) stamp = true;
        else if (!strcmp(argv[i], "--port")) port = atoi(value), i++;
        else if (!strcmp(argv[i], "--streams")) streams_n = atoi(value), i++;
        else if (!strcmp(argv[i], "--requests")) requests = atoi(value), i++;
        else if (!strcmp(argv[i], "--tokens")) tokens = atoi(value), i++;
        else if (!strcmp(argv[i], "--ramp-ms")) ramp_ms = atoi(value), i++;
        else if (!strcmp(argv[i], "--model")) model = value, i++;
        else { fprintf(stderr, "client: unknown option %s\n", argv[i]); return 2; }
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1);
    write_request();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    streams = calloc((size_t)streams_n, sizeof *streams);
    for (int i = 0; i < streams_n; i++) {
        streams[i].buf = malloc(BUFFER);
        double part = i * 0.6180339887498949;                // golden ratio: even over the ramp, and over the ITL too
        streams[i].start_ns = (int64_t)((part - (double)(long)part) * ramp_ms * 1e6);
    }
    qsort(streams, (size_t)streams_n, sizeof *streams, by_start);
    for (int i = 0; i < streams_n; i++) open_stream(&streams[i]);

    double cpu_before_s = cpu_s();
    int64_t begin_ns = now_ns();
    for (int i = 0; i < streams_n; i++) streams[i].start_ns += begin_ns;
    struct epoll_event ready[MAX_EVENTS];
    int next = start_due(streams, 0, now_ns());
    while (busy || (next < streams_n && started < requests)) {
        int64_t wait_ns = next < streams_n ? streams[next].start_ns - now_ns() : 0;
        if (wait_ns < 0) wait_ns = 0;
        struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};
        int n = epoll_pwait2(epoll_fd, ready, MAX_EVENTS, next < streams_n ? &wait : NULL, NULL);
        for (int i = 0; i < n; i++) readable(ready[i].data.ptr);
        if (next < streams_n) next = start_due(streams, next, now_ns());
    }
    double seconds = (double)(now_ns() - begin_ns) / 1e9, streaming_cpu_s = cpu_s() - cpu_before_s;
    printf("{\"requests\":%d,\"completed\":%d,\"failed\":%d,\"events\":%lld,\"reads\":%lld,\"seconds\":%.3f,\"cpu_s\":%.6f", started, ended, failed,
           content_events, reads, seconds, streaming_cpu_s);
    print_sample("ttft_ms", &ttft);
    print_sample("itl_ms", &itl);
    print_sample("delay_ms", &delay);
    puts("}");
    return failed ? 1 : 0;
}
