#include "splicer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_BYTES = 1 << 16,         /* of a socket in a turn, at most: a stream at full speed starves nobody */
    MOST_A_TURN = 64,             /* sockets; Python hears of a turn's ends when the turn is over */
    MOST_KEPT_BYTES = 1 << 18,    /* from here on a Splice reads nothing more until Python has taken what is kept */
    MOST_EVENTS = 1 << 16,        /* recorded ones; then Python is told, and makes the room free */
    SHORT_READ_BYTES = 8,         /* these two as in wire/reception.py */
    LONG_READ_BYTES = 4096,
    FIRST_BATCH = 2,              /* reads kept at first, so that a template is learned soon; then twice as many a time */
    STACK_BYTES = 1 << 17,
    GATHER_NS = 500000,           /* half of what counts as late (metrics/meter_health.py); a wake-up is up to 16 us of CPU */
    MOST_TOLD = 8,                /* one read of so many may be Python's; where more are nothing is gathered */
    WINDOW_NS = 8 * GATHER_NS,    /* over which it is decided whether gathering saves wake-ups */
};
#define WATCHED (EPOLLIN | EPOLLRDHUP | EPOLLET)
#define QUIT UINT64_MAX           /* the epoll tag of `quit_fd`; no generation and descriptor make it */

static void acquire(Splicer *splicer)
{
    pthread_mutex_lock(&splicer->turnstile);
    pthread_mutex_lock(&splicer->lock);
    pthread_mutex_unlock(&splicer->turnstile);
}

static void release(Splicer *splicer)
{
    pthread_mutex_unlock(&splicer->lock);
}

/* The thread ----------------------------------------------------------------------------------------------------- */

/* Have the epoll look at the descriptor, or not, as the Splice's state wants it.
 *
 * It is told of changes only (EPOLLET): 0.3 us an event less than asking each socket once more whether it has more.
 * `again`: there may be more already, so look at once. */
static int watch(Splice *splice, bool again)
{
    bool wanted = !splice->paused && !splice->held && !splice->stuck && splice->started && splice->end == OPEN
                  && splice->haul.size < MOST_KEPT_BYTES;
    if (wanted == splice->is_watched && !(wanted && again))
        return 0;
    int change = !wanted ? EPOLL_CTL_DEL : splice->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    struct epoll_event event = {.events = WATCHED};
    event.data.u64 = (uint64_t)splice->generation << 32 | (uint32_t)splice->in_fd;
    splice->is_watched = wanted;
    return epoll_ctl(splice->splicer->epoll_fd, change, splice->in_fd, &event);
}

static void make_ready(Splice *splice)
{
    Splicer *splicer = splice->splicer;
    if (splice->is_ready)
        return;
    splice->is_ready = true;
    splice->previous_ready = splicer->last_ready;
    splice->next_ready = NULL;
    if (splicer->last_ready != NULL)
        splicer->last_ready->next_ready = splice;
    else
        splicer->first_ready = splice;
    splicer->last_ready = splice;
}

static void unmake_ready(Splice *splice)
{
    Splicer *splicer = splice->splicer;
    if (!splice->is_ready)
        return;
    splice->is_ready = false;
    if (splice->previous_ready != NULL)
        splice->previous_ready->next_ready = splice->next_ready;
    else
        splicer->first_ready = splice->next_ready;
    if (splice->next_ready != NULL)
        splice->next_ready->previous_ready = splice->previous_ready;
    else
        splicer->last_ready = splice->previous_ready;
}

static void end_splice(Splice *splice, int end)
{
    splice->end = end;
    make_ready(splice);
}

/* Send a read on. What the socket does not take goes to Python, whose transport waits until it does, or hears why not. */
static bool send_on(Splice *splice, const char *data, size_t size)
{
    ssize_t sent;
    do
        sent = send(splice->out_fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    size_t taken = sent < 0 ? 0 : (size_t)sent;
    if (taken == size)
        return true;
    splice->haul.unsent = malloc(size - taken);
    if (splice->haul.unsent == NULL)
        return false;
    splice->haul.unsent_bytes = size - taken;
    memcpy(splice->haul.unsent, data + taken, size - taken);
    splice->stuck = true;
    make_ready(splice);
    return true;
}

static bool look_at(Splice *splice, int64_t at_ns, const char *data, size_t size)
{
    if (splice->armed && recognise(&splice->template, &splice->haul, at_ns, data, size)) {
        if (splice->haul.events >= MOST_EVENTS)
            make_ready(splice);
        return true;
    }
    splice->armed = false;
    if (!keep_read(&splice->haul, at_ns, data, size))
        return false;
    bool may_end = size < SHORT_READ_BYTES || memcmp(data + size - 4, "\r\n\r\n", 4) == 0;
    splice->held = may_end && splice->out_fd >= 0;
    if (may_end || size > LONG_READ_BYTES || splice->haul.reads >= splice->batch_reads)
        make_ready(splice);
    return true;
}

/* True when the kernel said when it came, or nothing had. */
static bool read_once(Splice *splice, uint32_t changes, char *buffer)
{
    Splicer *splicer = splice->splicer;
    Arrival arrival = read_arrival(&splicer->wall, splice->in_fd, buffer, READ_BYTES, splice->last_read_ns);
    if (arrival.size < 0 && errno == EAGAIN)
        return true;
    if (arrival.size <= 0) {
        end_splice(splice, arrival.size < 0 ? errno : 0);
    } else {
        splice->last_read_ns = arrival.at_ns;
        bool sent = splice->out_fd < 0 || send_on(splice, buffer, (size_t)arrival.size);
        if (!sent || !look_at(splice, arrival.at_ns, buffer, (size_t)arrival.size))
            end_splice(splice, ENOMEM);
        if (arrival.stamped)
            note_lateness(&splicer->lateness, arrival.now_ns - arrival.at_ns);
        else
            splicer->lateness.unstamped++;
    }
    watch(splice, arrival.size == READ_BYTES || (changes & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)));
    return arrival.stamped || arrival.size <= 0;
}

/* The Splice that an epoll event is for; NULL when it was stopped, or is not to be read, since the event was fetched. */
static Splice *splice_of(Splicer *splicer, uint64_t tag)
{
    size_t fd = (uint32_t)tag;
    Splice *splice = fd < splicer->by_fd_room ? splicer->by_fd[fd] : NULL;
    return splice != NULL && splice->generation == tag >> 32 && splice->is_watched ? splice : NULL;
}

/* The reads of the last while: would waiting for GATHER_NS bring two or more at once, each with its own stamp, and few
 * that Python waits for? (It does for heads and ends: a closed loop of short answers would idle for as long.) */
typedef struct {
    int64_t since_ns;
    size_t reads, unstamped, told;
    bool gathers;
} Window;

static void judge_window(Window *window)
{
    int64_t now_ns = monotonic_ns(), lasted_ns = now_ns - window->since_ns;
    if (lasted_ns < WINDOW_NS)
        return;
    window->gathers = window->unstamped == 0 && MOST_TOLD * window->told <= window->reads
                      && (int64_t)window->reads * GATHER_NS >= 2 * lasted_ns;
    window->since_ns = now_ns;
    window->reads = window->unstamped = window->told = 0;
}

/* One row of what the epoll has found; false when the thread is to end. */
static bool read_all(Splicer *splicer, const struct epoll_event *events, int found, Window *window)
{
    bool someone_is_ready = false;
    look_at_wall_clock(&splicer->wall);
    for (int i = 0; i < found; i++) {
        if (events[i].data.u64 == QUIT)
            return false;
        acquire(splicer);
        Splice *splice = splice_of(splicer, events[i].data.u64);
        if (splice != NULL) {
            window->reads++;
            window->unstamped += !read_once(splice, events[i].events, splicer->buffer) || splicer->relays > 0;
            window->told += splice->is_ready;
            someone_is_ready |= splice->is_ready;
        }
        release(splicer);
    }
    if (someone_is_ready)
        eventfd_write(splicer->ready_fd, 1);
    return true;
}

static void *run(void *of)
{
    Splicer *splicer = of;
    struct epoll_event events[MOST_A_TURN];
    Window window = {.since_ns = monotonic_ns()};
    const struct timespec gather = {.tv_nsec = GATHER_NS};
    for (;;) {
        int found = epoll_wait(splicer->epoll_fd, events, MOST_A_TURN, -1);
        if (!read_all(splicer, events, found, &window))
            return NULL;
        judge_window(&window);
        if (window.gathers && found < MOST_A_TURN)
            clock_nanosleep(CLOCK_MONOTONIC, 0, &gather, NULL);
    }
}

/* What Python calls ---------------------------------------------------------------------------------------------- */

static int start_thread(Splicer *splicer)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's: the new one inherits this mask */
    int error = pthread_create(&splicer->thread, &attributes, run, splicer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    splicer->running = error == 0;
    if (splicer->running)
        pthread_setname_np(splicer->thread, "imax-splice");
    return error;
}

int open_splicer(Splicer *splicer)
{
    pthread_mutex_init(&splicer->lock, NULL);
    pthread_mutex_init(&splicer->turnstile, NULL);
    open_wall_clock(&splicer->wall);
    splicer->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    splicer->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    splicer->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (splicer->epoll_fd < 0 || splicer->ready_fd < 0 || splicer->quit_fd < 0)
        return errno;
    splicer->buffer = malloc(READ_BYTES);
    if (splicer->buffer == NULL)
        return ENOMEM;
    struct epoll_event quit = {.events = EPOLLIN, .data.u64 = QUIT};
    if (epoll_ctl(splicer->epoll_fd, EPOLL_CTL_ADD, splicer->quit_fd, &quit) < 0)
        return errno;
    return start_thread(splicer);
}

void close_splicer(Splicer *splicer)
{
    if (splicer->running) {
        eventfd_write(splicer->quit_fd, 1);
        pthread_join(splicer->thread, NULL);
    }
    int fds[] = {splicer->epoll_fd, splicer->ready_fd, splicer->quit_fd};
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    close_wall_clock(&splicer->wall);
    free(splicer->buffer);
    free(splicer->by_fd);
    pthread_mutex_destroy(&splicer->lock);
    pthread_mutex_destroy(&splicer->turnstile);
}

size_t ready_splices(Splicer *splicer, int *in_fds, size_t most)
{
    size_t count = 0;
    acquire(splicer);
    while (count < most && splicer->first_ready != NULL) {
        in_fds[count++] = splicer->first_ready->in_fd;
        unmake_ready(splicer->first_ready);
    }
    if (splicer->first_ready == NULL) { /* else the loop finds it readable again, after others had their turn */
        eventfd_t ignored;
        eventfd_read(splicer->ready_fd, &ignored);
    }
    release(splicer);
    return count;
}

size_t count_splices(Splicer *splicer)
{
    acquire(splicer);
    size_t splices = splicer->splices;
    release(splicer);
    return splices;
}

/* Enter it in its Splicer's table, and read it; an errno when that cannot be. */
static int enter(Splicer *splicer, Splice *splice)
{
    size_t fd = (size_t)splice->in_fd;
    if (fd >= splicer->by_fd_room) {
        size_t room = 2 * fd + 64;
        if (!grow(&splicer->by_fd, sizeof *splicer->by_fd, room))
            return ENOMEM;
        memset(splicer->by_fd + splicer->by_fd_room, 0, (room - splicer->by_fd_room) * sizeof *splicer->by_fd);
        splicer->by_fd_room = room;
    }
    if (splicer->by_fd[fd] != NULL)
        return EEXIST;
    splice->generation = ++splicer->generation;
    splice->started = true;
    if (watch(splice, false) < 0)
        return errno;
    splicer->by_fd[fd] = splice;
    splicer->splices++;
    splicer->relays += splice->out_fd >= 0;
    return 0;
}

int start_splice(Splice *splice)
{
    splice->batch_reads = FIRST_BATCH < splice->most_batch_reads ? FIRST_BATCH : splice->most_batch_reads;
    splice->end = OPEN;
    splice->last_read_ns = monotonic_ns();
    ask_for_stamps(splice->in_fd);
    acquire(splice->splicer);
    int error = enter(splice->splicer, splice);
    splice->started = error == 0;
    release(splice->splicer);
    return error;
}

void stop_splice(Splice *splice)
{
    Splicer *splicer = splice->splicer;
    acquire(splicer);
    if (splice->started) {
        splice->started = false;
        watch(splice, false);
        unmake_ready(splice);
        splicer->by_fd[splice->in_fd] = NULL;
        splicer->splices--;
        splicer->relays -= splice->out_fd >= 0;
    }
    release(splicer);
}

int take_haul(Splice *splice, Haul *haul)
{
    acquire(splice->splicer);
    *haul = splice->haul;
    memset(&splice->haul, 0, sizeof splice->haul);
    if (haul->reads > 0) {
        size_t more = 2 * splice->batch_reads;
        splice->batch_reads = more < splice->most_batch_reads ? more : splice->most_batch_reads;
    }
    unmake_ready(splice);
    int end = splice->end;
    watch(splice, false);
    release(splice->splicer);
    return end;
}

size_t take_events(Splice *splice, Haul *events)
{
    memset(events, 0, sizeof *events);
    acquire(splice->splicer);
    Haul *haul = &splice->haul;
    events->times_ns = haul->times_ns;
    events->chars = haul->chars;
    events->events = haul->events;
    haul->times_ns = NULL;
    haul->chars = NULL;
    haul->events = haul->events_room = 0;
    size_t reads = haul->reads;
    release(splice->splicer);
    return reads;
}

void pause_splice(Splice *splice)
{
    acquire(splice->splicer);
    splice->paused = true;
    watch(splice, false);
    release(splice->splicer);
}

void resume_splice(Splice *splice)
{
    acquire(splice->splicer);
    splice->paused = false;
    /* What came since the last `take_haul` holds on: Python has not seen it. */
    splice->held = splice->held && splice->haul.reads > 0;
    splice->stuck = splice->stuck && splice->haul.unsent != NULL;
    watch(splice, false);
    release(splice->splicer);
}

Arming arm_splice(Splice *splice, const char *prefix, size_t prefix_bytes, const char *suffix, size_t suffix_bytes,
                  bool chunked)
{
    Arming arming = READS_WAIT;
    acquire(splice->splicer);
    if (splice->haul.reads == 0)
        arming = learn(&splice->template, prefix, prefix_bytes, suffix, suffix_bytes, chunked) ? ARMED : NO_MEMORY;
    splice->armed = arming == ARMED;
    if (splice->armed)
        splice->batch_reads = FIRST_BATCH < splice->most_batch_reads ? FIRST_BATCH : splice->most_batch_reads;
    release(splice->splicer);
    return arming;
}

void begin_answer(Splice *splice)
{
    acquire(splice->splicer);
    splice->armed = false;
    splice->batch_reads = splice->most_batch_reads = 1;
    splice->last_read_ns = monotonic_ns();
    release(splice->splicer);
}

void expect_reads(Splice *splice, size_t most_batch_reads)
{
    acquire(splice->splicer);
    splice->most_batch_reads = most_batch_reads;
    splice->batch_reads = FIRST_BATCH < most_batch_reads ? FIRST_BATCH : most_batch_reads;
    release(splice->splicer);
}

bool is_stirred(Splice *splice)
{
    acquire(splice->splicer);
    bool stirred = splice->haul.reads > 0 || splice->haul.events > 0 || splice->end != OPEN;
    release(splice->splicer);
    return stirred;
}

void take_lateness(Splicer *splicer, Lateness *lateness)
{
    acquire(splicer);
    *lateness = splicer->lateness;
    memset(&splicer->lateness, 0, sizeof splicer->lateness);
    release(splicer);
}

int64_t last_read_ns(Splice *splice)
{
    acquire(splice->splicer);
    int64_t at_ns = splice->last_read_ns;
    release(splice->splicer);
    return at_ns;
}
