// An exact, cheap OpenAI streaming source: every stream is sent its first token TTFT after its request was read whole,
// and one token each ITL from there on, on its own schedule. One thread, epoll, CLOCK_MONOTONIC. It keeps the truth
// (when each event was handed to the kernel) in memory and writes it out when told to stop, so that noting it costs
// one store an event.
//
//   source --port 9000 [--ttft-ms 20] [--itl-ms 5] [--truth FILE] [--stamp] [--step]
//
// The wire is vLLM 0.32's: headers, role chunk and first token in one write, then a chunk a token, the last with
// finish_reason, then usage (if asked for), [DONE] and the terminating chunk in one write.
//   --stamp  the token's text is its CLOCK_MONOTONIC write time in ns, 19 digits (a client can tell its exact delay)
//   --step   first tokens wait for the next multiple of ITL, so that all streams come in one burst, as from an engine's
//            step; without it a stream's phase is that of its own arrival
// Truth: one JSON line a request, then one line that sums up ("late" is how far behind its schedule the source was).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
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

enum { MAX_FD = 65536, MAX_EVENTS = 256, MAX_REQUEST = 256 << 20, SCRATCH = 8192, PROMPT_TOKENS = 32 };

typedef struct {  // the truth of one request
    char id[72];
    int64_t in_ns, first_ns, last_ns;
    uint32_t *gaps_ns;
    int asked, events, queued;
    bool complete;
} Record;

typedef struct {
    int fd;
    uint32_t generation;  // tells a due entry of a closed connection from one of its successor on the same fd
    bool open, streaming, chat, usage, continuous_usage, close_after, want_write;
    char *in, *out;  // the request as far as it came; what the socket did not take yet
    size_t in_len, in_cap, out_off, out_len, out_cap, head_len, need;
    int tokens, sent, prefix_len;
    char prefix[512];  // of each chunk's payload, up to the token's text
    Record *record;
} Conn;

typedef struct {
    int fd;
    uint32_t generation;
    int64_t due_ns;
} Due;

typedef struct {  // a ring; due times never fall, so no heap is needed
    Due *items;
    size_t head, len, cap;
} Queue;

static struct {
    int64_t ttft_ns, itl_ns;
    bool stamp, step;
    const char *truth;
} options = {20000000, 5000000, false, false, NULL};

static Conn *conns[MAX_FD];
static Queue first_queue, next_queue;  // TTFT and ITL are constants: each queue is in order as it is filled
static Record **records;
static size_t records_len, records_cap;
static int epoll_fd;
static uint64_t ids;
static int64_t late_sum_ns, late_max_ns, events_total;
static volatile sig_atomic_t stopping;

static const char *const WORDS[16] = {" the", " of", " answer", " is", " a", " token", " that", " stands",
                                      " in", " for", " whatever", " model", " we", " would", " serve", " here"};

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *grow(void *old, size_t bytes) {
    void *p = realloc(old, bytes);
    if (!p) { perror("source: out of memory"); exit(1); }
    return p;
}

// ---- queues

static void push(Queue *q, Due item) {
    if (q->len == q->cap) {
        size_t cap = q->cap ? q->cap * 2 : 1024;
        Due *items = grow(NULL, cap * sizeof(Due));
        for (size_t i = 0; i < q->len; i++) items[i] = q->items[(q->head + i) & (q->cap - 1)];
        free(q->items);
        *q = (Queue){items, 0, q->len, cap};
    }
    q->items[(q->head + q->len++) & (q->cap - 1)] = item;
}

static Queue *earliest(void) {
    if (!first_queue.len) return next_queue.len ? &next_queue : NULL;
    if (!next_queue.len) return &first_queue;
    return first_queue.items[first_queue.head].due_ns <= next_queue.items[next_queue.head].due_ns ? &first_queue : &next_queue;
}

static Due pop(Queue *q) {
    Due item = q->items[q->head];
    q->head = (q->head + 1) & (q->cap - 1);
    q->len--;
    return item;
}

// ---- connections

static void watch(Conn *c, bool write) {
    if (c->want_write == write) return;
    c->want_write = write;
    struct epoll_event e = {EPOLLIN | (write ? EPOLLOUT : 0), {.fd = c->fd}};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

static void hang_up(Conn *c) {
    if (!c->open) return;
    close(c->fd);
    free(c->in);
    free(c->out);
    *c = (Conn){.fd = c->fd, .generation = c->generation + 1};
}

static void write_out(Conn *c, const char *data, size_t len) {
    size_t done = 0;
    if (!c->out_len) {
        ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) { hang_up(c); return; }
        done = n > 0 ? (size_t)n : 0;
        if (done == len) return;
    }
    if (c->record) c->record->queued++;
    if (c->out_off + c->out_len + len - done > c->out_cap) {
        c->out_cap = c->out_cap * 2 + len + SCRATCH;
        c->out = grow(c->out, c->out_cap);
    }
    memcpy(c->out + c->out_off + c->out_len, data + done, len - done);
    c->out_len += len - done;
    watch(c, true);
}

static void flush(Conn *c) {
    ssize_t n = send(c->fd, c->out + c->out_off, c->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) { if (errno != EAGAIN) hang_up(c); return; }
    c->out_off += (size_t)n;
    c->out_len -= (size_t)n;
    if (c->out_len) return;
    c->out_off = 0;
    watch(c, false);
    if (c->close_after && !c->streaming) hang_up(c);
}

// ---- the answer

static char *put(char *to, const char *text, size_t len) { memcpy(to, text, len); return to + len; }
#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static char *close_chunk(char *at, char *payload) {  // payload has room for its size line (6 bytes) before it
    static const char hex[] = "0123456789abcdef";
    unsigned len = (unsigned)(at - payload);
    for (int i = 0; i < 4; i++) payload[-3 - i] = hex[(len >> (4 * i)) & 15];  // four digits, leading zeros are legal
    payload[-2] = '\r';
    payload[-1] = '\n';
    return PUT(at, "\r\n");
}

static char *put_token(Conn *c, char *at, int64_t stamp_ns) {
    at += 6;
    char *payload = at;
    at = put(at, c->prefix, (size_t)c->prefix_len);
    if (options.stamp) {
        for (int i = 18; i >= 0; i--, stamp_ns /= 10) at[i] = (char)('0' + stamp_ns % 10);
        at += 19;
    } else {
        const char *word = WORDS[c->sent & 15];
        at = put(at, word, strlen(word));
    }
    bool last = c->sent == c->tokens;
    at = c->chat ? PUT(at, "\"},\"logprobs\":null,\"finish_reason\":") : PUT(at, "\",\"logprobs\":null,\"finish_reason\":");
    at = last ? PUT(at, "\"length\",\"stop_reason\":null,\"token_ids\":null}]") : PUT(at, "null,\"token_ids\":null}]");
    if (c->continuous_usage)
        at += sprintf(at, ",\"usage\":{\"prompt_tokens\":%d,\"total_tokens\":%d,\"completion_tokens\":%d,\"completion_tokens_details\":null}",
                      PROMPT_TOKENS, PROMPT_TOKENS + c->sent, c->sent);
    at = PUT(at, "}\n\n");
    return close_chunk(at, payload);
}

static char *put_head(Conn *c, char *at) {  // response head, and chat's role chunk
    at = PUT(at, "HTTP/1.1 200 OK\r\nserver: source\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
                 "transfer-encoding: chunked\r\n\r\n");
    if (!c->chat) return at;
    at += 6;
    char *payload = at;
    size_t before_delta = (size_t)c->prefix_len - (sizeof("\"content\":\"") - 1);
    at = put(at, c->prefix, before_delta);
    at = PUT(at, "\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]");
    if (c->continuous_usage)
        at += sprintf(at, ",\"usage\":{\"prompt_tokens\":%d,\"total_tokens\":%d,\"completion_tokens\":0,\"completion_tokens_details\":null}",
                      PROMPT_TOKENS, PROMPT_TOKENS);
    at = PUT(at, ",\"prompt_token_ids\":null,\"prompt_text\":null}\n\n");
    return close_chunk(at, payload);
}

static char *put_end(Conn *c, char *at) {
    if (c->usage) {
        char *payload = at += 6;
        const char *choices = strstr(c->prefix, "\"choices\":[");
        at = put(at, c->prefix, (size_t)(choices - c->prefix));
        at += sprintf(at, "\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"total_tokens\":%d,\"completion_tokens\":%d}}\n\n",
                      PROMPT_TOKENS, PROMPT_TOKENS + c->tokens, c->tokens);
        at = close_chunk(at, payload);
    }
    char *payload = at += 6;
    at = close_chunk(PUT(at, "data: [DONE]\n\n"), payload);
    return PUT(at, "0\r\n\r\n");
}

static void handle_request(Conn *c);

static void send_token(Conn *c, int64_t due_ns) {
    char scratch[SCRATCH], *at = scratch;
    Record *r = c->record;
    if (c->sent == 0) at = put_head(c, at);
    c->sent++;
    int64_t now = now_ns(), late_ns = now - due_ns;
    at = put_token(c, at, now);

    if (r->events) r->gaps_ns[r->events - 1] = now - r->last_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)(now - r->last_ns);
    else r->first_ns = now;
    r->last_ns = now;
    r->events++;
    events_total++;
    late_sum_ns += late_ns;
    if (late_ns > late_max_ns) late_max_ns = late_ns;

    uint32_t generation = c->generation;
    write_out(c, scratch, (size_t)(at - scratch));
    if (c->generation != generation) return;  // it hung up
    if (c->sent < c->tokens) { push(&next_queue, (Due){c->fd, c->generation, due_ns + options.itl_ns}); return; }
    write_out(c, scratch, (size_t)(put_end(c, scratch) - scratch));
    if (c->generation != generation) return;
    r->complete = true;
    c->record = NULL;
    c->streaming = false;
    if (c->close_after && !c->out_len) hang_up(c);
    else handle_request(c);  // one may have come already
}

static void run_due(void) {
    int64_t now = now_ns();
    size_t most = first_queue.len + next_queue.len;  // each stream once a round: reads get their turn when we are behind
    for (Queue *q; most-- && (q = earliest()) && q->items[q->head].due_ns <= now;) {
        Due d = pop(q);
        Conn *c = conns[d.fd];
        if (c->generation == d.generation && c->streaming) send_token(c, d.due_ns);
    }
}

// ---- the request

static const char *after_key(const char *body, size_t len, const char *key) {  // points at the value, or NULL
    const char *at = memmem(body, len, key, strlen(key)), *end = body + len;
    if (!at) return NULL;
    for (at += strlen(key); at < end && (*at == ' ' || *at == ':'); at++) {}
    return at < end ? at : NULL;
}

static bool is_true(const char *body, size_t len, const char *key) {
    const char *at = after_key(body, len, key);
    return at && (size_t)(body + len - at) >= 4 && !memcmp(at, "true", 4);
}

static const char *header(const char *head, const char *name) {  // head is NUL-terminated; name is "\r\nname:"
    const char *at = strcasestr(head, name);
    if (!at) return NULL;
    for (at += strlen(name); *at == ' '; at++) {}
    return at;
}

static void answer(Conn *c, const char *status, const char *json) {
    char text[1024];
    int len = snprintf(text, sizeof text, "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                       status, strlen(json), json);
    write_out(c, text, (size_t)len);
}

static Record *new_record(const char *head, int tokens, bool chat) {
    Record *r = calloc(1, sizeof *r);
    if (!r) { perror("source: out of memory"); exit(1); }
    r->gaps_ns = grow(NULL, sizeof(uint32_t) * (size_t)tokens);
    r->asked = tokens;
    const char *id = header(head, "\r\nx-request-id:");
    size_t len = id ? strcspn(id, "\r\"\\") : 0;
    if (len && len < sizeof r->id) memcpy(r->id, id, len);
    else snprintf(r->id, sizeof r->id, "%s-%016llx", chat ? "chatcmpl" : "cmpl", (unsigned long long)ids);
    if (records_len == records_cap) {
        records_cap = records_cap ? records_cap * 2 : 1024;
        records = grow(records, records_cap * sizeof *records);
    }
    return records[records_len++] = r;
}

static void start_stream(Conn *c, const char *head, const char *body, size_t len) {
    int64_t now = now_ns();
    const char *asked = after_key(body, len, "\"max_tokens\"");
    if (!asked) asked = after_key(body, len, "\"max_completion_tokens\"");
    int tokens = asked ? atoi(asked) : 16;
    if (tokens < 1) { answer(c, "400 Bad Request", "{\"error\":{\"message\":\"max_tokens must be at least 1\",\"code\":400}}"); return; }
    if (!is_true(body, len, "\"stream\"")) {
        answer(c, "400 Bad Request", "{\"error\":{\"message\":\"this source only streams\",\"code\":400}}");
        return;
    }
    char model[128] = "bench";
    const char *named = after_key(body, len, "\"model\"");
    if (named && *named == '"') {
        size_t n = strcspn(named + 1, "\"");
        if (n && n < sizeof model) { memcpy(model, named + 1, n); model[n] = 0; }
    }
    ids++;
    c->usage = is_true(body, len, "\"include_usage\"");
    c->continuous_usage = is_true(body, len, "\"continuous_usage_stats\"");
    c->tokens = tokens;
    c->sent = 0;
    c->prefix_len = snprintf(c->prefix, sizeof c->prefix, "data: {\"id\":\"%s-%016llx\",\"object\":\"%s\",\"created\":%ld,\"model\":\"%s\",\"choices\":[{\"index\":0,%s",
                             c->chat ? "chatcmpl" : "cmpl", (unsigned long long)ids, c->chat ? "chat.completion.chunk" : "text_completion",
                             (long)time(NULL), model, c->chat ? "\"delta\":{\"content\":\"" : "\"text\":\"");
    c->record = new_record(head, tokens, c->chat);
    c->record->in_ns = now;
    c->streaming = true;
    int64_t due_ns = now + options.ttft_ns;
    if (options.step) due_ns = (due_ns + options.itl_ns - 1) / options.itl_ns * options.itl_ns;
    push(&first_queue, (Due){c->fd, c->generation, due_ns});
}

static void route(Conn *c, const char *head, const char *body, size_t len) {
    c->chat = !strncmp(head, "POST /v1/chat/completions", 25);
    if (c->chat || !strncmp(head, "POST /v1/completions", 20)) start_stream(c, head, body, len);
    else if (!strncmp(head, "GET /v1/models", 14))
        answer(c, "200 OK", "{\"object\":\"list\",\"data\":[{\"id\":\"bench\",\"object\":\"model\",\"created\":0,"
                            "\"owned_by\":\"benchmarks\",\"root\":\"bench\",\"parent\":null,\"max_model_len\":1048576}]}");
    else if (!strncmp(head, "GET /health", 11)) answer(c, "200 OK", "{}");
    else answer(c, "404 Not Found", "{\"error\":{\"message\":\"not found\",\"code\":404}}");
}

static void handle_request(Conn *c) {  // as many as are there whole, until one streams
    while (c->open && !c->streaming) {
        if (!c->head_len) {
            char *end = c->in_len ? memmem(c->in, c->in_len, "\r\n\r\n", 4) : NULL;
            if (!end) return;
            c->head_len = (size_t)(end - c->in) + 4;
            end[2] = 0;  // the head, NUL-terminated after its last CRLF
            const char *length = header(c->in, "\r\ncontent-length:");
            c->need = c->head_len + (length ? strtoull(length, NULL, 10) : 0);
            c->close_after = strcasestr(c->in, "\r\nconnection: close") != NULL;
            if (header(c->in, "\r\ntransfer-encoding:")) {
                answer(c, "411 Length Required", "{\"error\":{\"message\":\"send Content-Length\",\"code\":411}}");
                hang_up(c);
                return;
            }
        }
        if (c->in_len < c->need) return;
        uint32_t generation = c->generation;
        route(c, c->in, c->in + c->head_len, c->need - c->head_len);
        if (c->generation != generation) return;
        memmove(c->in, c->in + c->need, c->in_len - c->need);
        c->in_len -= c->need;
        c->head_len = c->need = 0;
        if (c->in_cap > 1 << 16 && !c->in_len) { free(c->in); c->in = NULL; c->in_cap = 0; }
        if (c->close_after && !c->streaming && !c->out_len) hang_up(c);
    }
}

static void receive(Conn *c) {
    if (c->in_cap - c->in_len < 4096) {
        c->in_cap = c->in_cap ? c->in_cap * 2 : 8192;
        if (c->in_cap > MAX_REQUEST) { hang_up(c); return; }
        c->in = grow(c->in, c->in_cap);
    }
    ssize_t n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) { hang_up(c); return; }
    if (n < 0) return;
    c->in_len += (size_t)n;
    handle_request(c);
}

static void accept_all(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        if (fd >= MAX_FD) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (!conns[fd]) conns[fd] = calloc(1, sizeof(Conn));
        if (!conns[fd]) { perror("source: out of memory"); exit(1); }
        conns[fd]->fd = fd;
        conns[fd]->open = true;
        struct epoll_event e = {EPOLLIN, {.fd = fd}};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
    }
}

// ---- the whole

static void write_truth(void) {
    FILE *f = options.truth ? fopen(options.truth, "w") : NULL;
    if (!f) return;
    for (size_t i = 0; i < records_len; i++) {
        Record *r = records[i];
        fprintf(f, "{\"id\":\"%s\",\"in_ns\":%lld,\"first_ns\":%lld,\"last_ns\":%lld,\"asked\":%d,\"events\":%d,\"queued\":%d,\"complete\":%s,\"gaps_ns\":[",
                r->id, (long long)r->in_ns, (long long)r->first_ns, (long long)r->last_ns, r->asked, r->events, r->queued,
                r->complete ? "true" : "false");
        for (int k = 0; k + 1 < r->events; k++) fprintf(f, k ? ",%u" : "%u", r->gaps_ns[k]);
        fputs("]}\n", f);
    }
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    double cpu_s = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    fprintf(f, "{\"summary\":true,\"requests\":%zu,\"events\":%lld,\"cpu_s\":%.6f,\"late_mean_us\":%.1f,\"late_max_us\":%.1f}\n", records_len,
            (long long)events_total, cpu_s, events_total ? (double)late_sum_ns / (double)events_total / 1e3 : 0.0, (double)late_max_ns / 1e3);
    fclose(f);
}

static void on_signal(int number) { (void)number; stopping = 1; }

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096)) { perror("source: listen"); exit(1); }
    return fd;
}

int main(int argc, char **argv) {
    int port = 9000;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";
        if (!strcmp(argv[i], "--stamp")) options.stamp = true;
        else if (!strcmp(argv[i], "--step")) options.step = true;
        else if (!strcmp(argv[i], "--port")) port = atoi(value), i++;
        else if (!strcmp(argv[i], "--ttft-ms")) options.ttft_ns = (int64_t)(atof(value) * 1e6), i++;
        else if (!strcmp(argv[i], "--itl-ms")) options.itl_ns = (int64_t)(atof(value) * 1e6), i++;
        else if (!strcmp(argv[i], "--truth")) options.truth = value, i++;
        else { fprintf(stderr, "source: unknown option %s\n", argv[i]); return 2; }
    }
    struct rlimit files = {MAX_FD, MAX_FD};
    if (setrlimit(RLIMIT_NOFILE, &files)) { getrlimit(RLIMIT_NOFILE, &files); files.rlim_cur = files.rlim_max; setrlimit(RLIMIT_NOFILE, &files); }
    prctl(PR_SET_TIMERSLACK, 1);  // else the kernel may round each wait up by 50 us

    sigset_t blocked, open_mask;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, &open_mask);  // let in only while we wait
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    int listener = listen_on(port);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {EPOLLIN, {.fd = listener}}, ready[MAX_EVENTS];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e);
    while (!stopping) {
        run_due();
        Queue *q = earliest();
        int64_t wait_ns = q ? q->items[q->head].due_ns - now_ns() : 0;
        if (wait_ns < 0) wait_ns = 0;
        struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};  // epoll_pwait2 counts ns: a timerfd would cost a call more
        int n = epoll_pwait2(epoll_fd, ready, MAX_EVENTS, q ? &wait : NULL, &open_mask);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd == listener) { accept_all(listener); continue; }
            Conn *c = conns[ready[i].data.fd];
            if (c->open && ready[i].events & EPOLLOUT) flush(c);
            if (c->open && ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
        }
    }
    write_truth();
    return 0;
}
