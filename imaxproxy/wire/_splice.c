/* Streamed answers carried from an engine's socket to a client's by a thread that never takes Python's lock.
 *
 * A Splicer is one thread and one epoll. A Splice is one answer on its way: what is read from `in_fd` is stamped
 * (CLOCK_MONOTONIC), sent to `out_fd` (-1: nowhere, for a client of ours), and then looked at. A read that is a row of
 * events like the template is recorded as (time, characters of text) of each event, and its bytes are dropped. Any other
 * read is kept, and after it all that follow, until Python has taken them, read them in full and armed the template
 * again. wire/template.py defines what the template recognises; tests hold both to the same result.
 *
 * Python is told (through an eventfd in its own loop) only of what needs it: kept reads that are due (wire/reception.py),
 * what a client's socket did not take, and the connection's end.
 *
 * Locks: `lock` guards everything in a Splicer and its Splices. The thread holds it for one read at a time, with the
 * send that follows, so that after `pause` or `stop` has returned no descriptor of a Splice is in use. `turnstile` lets
 * Python in between two reads even when the thread never idles. No Python object is made or dropped under the lock:
 * that may run a collection, which may run a destructor, which may want the lock.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
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
    LONGEST_SIZE_DIGITS = 8,
    FIRST_BATCH = 2,              /* reads kept at first, so that a template is learned soon; then twice as many a time */
    STACK_BYTES = 1 << 17,
    OPEN = -1,                    /* `end` while the connection is open; then 0 (closed) or an errno */
};
#define WATCHED (EPOLLIN | EPOLLRDHUP | EPOLLET)
#define QUIT UINT64_MAX           /* the epoll tag of `quit_fd`; no generation and descriptor make it */

/* What waits for Python. */
typedef struct {
    int64_t *times_ns;            /* of recognised events, and the characters of each */
    int32_t *chars;
    size_t events, events_room;
    int64_t *read_times_ns;       /* of kept reads, and the bytes of each, one behind the other in `bytes` */
    size_t *read_bytes;
    size_t reads, reads_room;
    char *bytes;
    size_t size, room;
    char *unsent;                 /* what `out_fd` did not take */
    size_t unsent_bytes;
} Haul;

typedef struct Splice Splice;

typedef struct {
    PyObject_HEAD
    pthread_mutex_t lock, turnstile;
    pthread_t thread;
    bool running;
    int epoll_fd, ready_fd, quit_fd;
    uint32_t generation;
    Splice **by_fd;               /* the Splice that reads a descriptor, or NULL */
    size_t by_fd_room, splices;
    Splice *first_ready, *last_ready;
    char *buffer;
} Splicer;

struct Splice {
    PyObject_HEAD
    Splicer *splicer;
    int in_fd, out_fd;
    uint32_t generation;          /* an epoll event fetched before a `stop` must not find the descriptor's next user */
    Splice *previous_ready, *next_ready;
    bool is_ready, is_watched, stopped, armed;
    bool paused;                  /* by Python */
    bool held;                    /* behind a read that may be the answer's last, until Python has looked at it */
    bool stuck;                   /* behind what the client's socket did not take, until Python has written it */
    int end;
    int64_t last_read_ns;
    size_t batch_reads, most_batch_reads;
    char *template;               /* prefix, then suffix */
    size_t prefix_bytes, suffix_bytes;
    bool chunked;
    Haul haul;
};

typedef struct {
    PyTypeObject *splicer_type, *splice_type;
} Module;

/* Locks ---------------------------------------------------------------------------------------------------------- */

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

/* The haul ------------------------------------------------------------------------------------------------------- */

static bool grow(void *array, size_t item_bytes, size_t room)
{
    void **at = array;
    void *grown = realloc(*at, item_bytes * room);
    if (grown == NULL)
        return false;
    *at = grown;
    return true;
}

static bool add_event(Haul *haul, int64_t at_ns, int32_t chars)
{
    if (haul->events == haul->events_room) {
        size_t room = haul->events_room ? 2 * haul->events_room : 32;
        if (!grow(&haul->times_ns, sizeof *haul->times_ns, room) || !grow(&haul->chars, sizeof *haul->chars, room))
            return false;
        haul->events_room = room;
    }
    haul->times_ns[haul->events] = at_ns;
    haul->chars[haul->events++] = chars;
    return true;
}

static bool keep_read(Haul *haul, int64_t at_ns, const char *data, size_t size)
{
    if (haul->reads == haul->reads_room) {
        size_t room = haul->reads_room ? 2 * haul->reads_room : 8;
        if (!grow(&haul->read_times_ns, sizeof *haul->read_times_ns, room)
            || !grow(&haul->read_bytes, sizeof *haul->read_bytes, room))
            return false;
        haul->reads_room = room;
    }
    if (haul->size + size > haul->room) {
        size_t room = 2 * haul->room > haul->size + size ? 2 * haul->room : haul->size + size;
        if (!grow(&haul->bytes, 1, room))
            return false;
        haul->room = room;
    }
    memcpy(haul->bytes + haul->size, data, size);
    haul->size += size;
    haul->read_times_ns[haul->reads] = at_ns;
    haul->read_bytes[haul->reads++] = size;
    return true;
}

static void drop_haul(Haul *haul)
{
    free(haul->times_ns);
    free(haul->chars);
    free(haul->read_times_ns);
    free(haul->read_bytes);
    free(haul->bytes);
    free(haul->unsent);
    memset(haul, 0, sizeof *haul);
}

/* Recognising events --------------------------------------------------------------------------------------------- */

static bool is_continuation(const char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if ((at[i] & 0xC0) != 0x80)
            return false;
    return true;
}

/* Bytes of the UTF-8 character at `at`, or 0 for what is none (Unicode 16, table 3-7). */
static size_t utf8_bytes(const char *at, const char *end)
{
    unsigned char first = (unsigned char)at[0];
    size_t bytes = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (bytes == 0 || (size_t)(end - at) < bytes || !is_continuation(at + 1, bytes - 1))
        return 0;
    unsigned char second = (unsigned char)at[1];
    bool is_odd = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)
                  || (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
    return is_odd ? 0 : bytes;
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Bytes of the escape at `at`, or 0 for what is none, or half of a surrogate pair (the full parse knows those). */
static size_t escape_bytes(const char *at, const char *end)
{
    if (end - at < 2)
        return 0;
    if (at[1] != 'u')
        return at[1] != '\0' && strchr("\"\\/bfnrt", at[1]) != NULL ? 2 : 0;
    if (end - at < 6)
        return 0;
    int code = 0;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return 0;
        code = code * 16 + digit;
    }
    return code >= 0xD800 && code <= 0xDFFF ? 0 : 6;
}

/* Characters of the JSON string body at `*at`, which is moved to its closing quote; -1 where it is not a valid one. */
static int32_t characters(const char **at, const char *end)
{
    int32_t chars = 0;
    const char *here = *at;
    for (; here < end && *here != '"'; chars++) {
        unsigned char byte = (unsigned char)*here;
        size_t bytes = byte == '\\' ? escape_bytes(here, end) : byte >= 0x80 ? utf8_bytes(here, end) : byte >= 0x20;
        if (bytes == 0)
            return -1;
        here += bytes;
    }
    *at = here;
    return here < end ? chars : -1;
}

static bool take_literal(const char **at, const char *end, const char *literal, size_t bytes)
{
    if ((size_t)(end - *at) < bytes || memcmp(*at, literal, bytes) != 0)
        return false;
    *at += bytes;
    return true;
}

/* The end of the chunk whose size line is at `*at`, its CRLF included; `*at` is moved behind the line. NULL: no chunk,
 * or not all of it. */
static const char *chunk_end(const char **at, const char *end)
{
    size_t size = 0;
    int digits = 0, digit;
    const char *here = *at;
    for (; here < end && digits < LONGEST_SIZE_DIGITS && (digit = hex_digit(*here)) >= 0; here++, digits++)
        size = size * 16 + (size_t)digit;
    if (digits == 0 || !take_literal(&here, end, "\r\n", 2) || (size_t)(end - here) < size + 2)
        return NULL;
    *at = here;
    return here + size + 2;
}

/* Record the events of a read that is nothing but events like the template; false, and none recorded, for any other. */
static bool recognise(Splice *splice, int64_t at_ns, const char *data, size_t size)
{
    const char *at = data, *end = data + size;
    const char *suffix = splice->template + splice->prefix_bytes;
    size_t before = splice->haul.events;
    while (at < end) {
        const char *bound = end;
        if (splice->chunked && (bound = chunk_end(&at, end)) == NULL)
            break;
        if (!take_literal(&at, bound, splice->template, splice->prefix_bytes))
            break;
        int32_t chars = characters(&at, bound);
        if (chars <= 0 || !take_literal(&at, bound, suffix, splice->suffix_bytes) || (splice->chunked && at != bound)
            || !add_event(&splice->haul, at_ns, chars))
            break;
        if (at == end)
            return true;
    }
    splice->haul.events = before;
    return false;
}

/* The thread ----------------------------------------------------------------------------------------------------- */

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Have the epoll look at the descriptor, or not, as the Splice's state wants it.
 *
 * It is told of changes only (EPOLLET): 0.3 us an event less than asking each socket once more whether it has more.
 * `again`: there may be more already, so look at once. */
static int watch(Splice *splice, bool again)
{
    bool wanted = !splice->paused && !splice->held && !splice->stuck && !splice->stopped && splice->end == OPEN
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
    if (splice->armed && recognise(splice, at_ns, data, size)) {
        if (splice->haul.events >= MOST_EVENTS)
            make_ready(splice);
        return true;
    }
    splice->armed = false;
    if (!keep_read(&splice->haul, at_ns, data, size))
        return false;
    splice->held = size < SHORT_READ_BYTES || memcmp(data + size - 4, "\r\n\r\n", 4) == 0;
    if (splice->held || size > LONG_READ_BYTES || splice->haul.reads >= splice->batch_reads)
        make_ready(splice);
    return true;
}

static void read_once(Splice *splice, uint32_t changes, char *buffer)
{
    ssize_t size;
    do
        size = recv(splice->in_fd, buffer, READ_BYTES, MSG_DONTWAIT);
    while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0) {
        end_splice(splice, size < 0 ? errno : 0);
    } else {
        splice->last_read_ns = monotonic_ns();
        bool sent = splice->out_fd < 0 || send_on(splice, buffer, (size_t)size);
        if (!sent || !look_at(splice, splice->last_read_ns, buffer, (size_t)size))
            end_splice(splice, ENOMEM);
    }
    watch(splice, size == READ_BYTES || (changes & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)));
}

/* The Splice that an epoll event is for; NULL when it was stopped, or is not to be read, since the event was fetched. */
static Splice *splice_of(Splicer *splicer, uint64_t tag)
{
    size_t fd = (uint32_t)tag;
    Splice *splice = fd < splicer->by_fd_room ? splicer->by_fd[fd] : NULL;
    return splice != NULL && splice->generation == tag >> 32 && splice->is_watched ? splice : NULL;
}

static void *run(void *of)
{
    Splicer *splicer = of;
    struct epoll_event events[MOST_A_TURN];
    for (;;) {
        int found = epoll_wait(splicer->epoll_fd, events, MOST_A_TURN, -1);
        bool someone_is_ready = false;
        for (int i = 0; i < found; i++) {
            if (events[i].data.u64 == QUIT)
                return NULL;
            acquire(splicer);
            Splice *splice = splice_of(splicer, events[i].data.u64);
            if (splice != NULL) {
                read_once(splice, events[i].events, splicer->buffer);
                someone_is_ready |= splice->is_ready;
            }
            release(splicer);
        }
        if (someone_is_ready)
            eventfd_write(splicer->ready_fd, 1);
    }
}

/* Splicer, as Python has it -------------------------------------------------------------------------------------- */

static bool start_thread(Splicer *splicer)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's: the new one inherits this mask */
    errno = pthread_create(&splicer->thread, &attributes, run, splicer);
    splicer->running = errno == 0;
    if (splicer->running)
        pthread_setname_np(splicer->thread, "imax-splice");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return splicer->running;
}

static PyObject *splicer_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, ":Splicer", names))
        return NULL;
    Splicer *splicer = (Splicer *)PyType_GenericAlloc(type, 0); /* all zero */
    if (splicer == NULL)
        return NULL;
    pthread_mutex_init(&splicer->lock, NULL);
    pthread_mutex_init(&splicer->turnstile, NULL);
    splicer->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    splicer->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    splicer->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    splicer->buffer = malloc(READ_BYTES);
    struct epoll_event quit = {.events = EPOLLIN, .data.u64 = QUIT};
    if (splicer->epoll_fd < 0 || splicer->ready_fd < 0 || splicer->quit_fd < 0 || splicer->buffer == NULL
        || epoll_ctl(splicer->epoll_fd, EPOLL_CTL_ADD, splicer->quit_fd, &quit) < 0 || !start_thread(splicer)) {
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF(splicer);
        return NULL;
    }
    return (PyObject *)splicer;
}

static void splicer_dealloc(Splicer *splicer) /* every Splice holds a reference: none is left */
{
    PyTypeObject *type = Py_TYPE((PyObject *)splicer);
    if (splicer->running) {
        eventfd_write(splicer->quit_fd, 1);
        pthread_join(splicer->thread, NULL);
    }
    int fds[] = {splicer->epoll_fd, splicer->ready_fd, splicer->quit_fd};
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(splicer->buffer);
    free(splicer->by_fd);
    pthread_mutex_destroy(&splicer->lock);
    pthread_mutex_destroy(&splicer->turnstile);
    PyObject_Free(splicer);
    Py_DECREF(type);
}

static PyObject *splicer_fileno(Splicer *splicer, PyObject *none)
{
    (void)none;
    return PyLong_FromLong(splicer->ready_fd);
}

static PyObject *splicer_ready(Splicer *splicer, PyObject *most_object)
{
    long most = PyLong_AsLong(most_object);
    if (most < 1) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "ready(most) must be at least 1");
        return NULL;
    }
    int *fds = malloc((size_t)most * sizeof *fds);
    if (fds == NULL)
        return PyErr_NoMemory();
    long count = 0;
    acquire(splicer);
    while (count < most && splicer->first_ready != NULL) {
        fds[count++] = splicer->first_ready->in_fd;
        unmake_ready(splicer->first_ready);
    }
    if (splicer->first_ready == NULL) { /* else the loop finds it readable again, after others had their turn */
        eventfd_t ignored;
        eventfd_read(splicer->ready_fd, &ignored);
    }
    release(splicer);
    PyObject *ready = PyList_New(count);
    for (long i = 0; ready != NULL && i < count; i++) {
        PyObject *fd = PyLong_FromLong(fds[i]);
        if (fd == NULL)
            Py_CLEAR(ready);
        else
            PyList_SetItem(ready, i, fd);
    }
    free(fds);
    return ready;
}

static PyObject *splicer_length(Splicer *splicer, PyObject *none)
{
    (void)none;
    acquire(splicer);
    size_t splices = splicer->splices;
    release(splicer);
    return PyLong_FromSize_t(splices);
}

/* Splice, as Python has it --------------------------------------------------------------------------------------- */

/* Enter it in its Splicer's table; an errno when that cannot be. */
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
    splice->stopped = false;
    if (watch(splice, false) < 0)
        return errno;
    splicer->by_fd[fd] = splice;
    splicer->splices++;
    return 0;
}

static PyObject *splice_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"splicer", "in_fd", "out_fd", "batch_reads", "paused", NULL};
    Module *module = PyType_GetModuleState(type);
    PyObject *splicer;
    int in_fd, out_fd, batch_reads, paused;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!iiip:Splice", names, module->splicer_type, &splicer,
                                     &in_fd, &out_fd, &batch_reads, &paused))
        return NULL;
    if (in_fd < 0 || batch_reads < 1) {
        PyErr_SetString(PyExc_ValueError, "a Splice needs a descriptor to read, and batches of one read or more");
        return NULL;
    }
    Splice *splice = (Splice *)PyType_GenericAlloc(type, 0); /* all zero */
    if (splice == NULL)
        return NULL;
    Py_INCREF(splicer);
    splice->splicer = (Splicer *)splicer;
    splice->in_fd = in_fd;
    splice->out_fd = out_fd;
    splice->most_batch_reads = (size_t)batch_reads;
    splice->batch_reads = FIRST_BATCH;
    splice->paused = paused;
    splice->end = OPEN;
    splice->last_read_ns = monotonic_ns();
    acquire(splice->splicer);
    int error = enter(splice->splicer, splice);
    splice->stopped = error != 0;
    release(splice->splicer);
    if (error) {
        Py_DECREF(splice);
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return (PyObject *)splice;
}

static void stop(Splice *splice)
{
    Splicer *splicer = splice->splicer;
    acquire(splicer);
    if (!splice->stopped) {
        splice->stopped = true;
        watch(splice, false);
        unmake_ready(splice);
        splicer->by_fd[splice->in_fd] = NULL;
        splicer->splices--;
    }
    release(splicer);
}

static PyObject *splice_stop(Splice *splice, PyObject *none)
{
    (void)none;
    stop(splice);
    Py_RETURN_NONE;
}

static void splice_dealloc(Splice *splice)
{
    PyTypeObject *type = Py_TYPE((PyObject *)splice);
    if (splice->splicer != NULL) {
        stop(splice);
        Py_DECREF(splice->splicer);
    }
    drop_haul(&splice->haul);
    free(splice->template);
    PyObject_Free(splice);
    Py_DECREF(type);
}

static PyObject *kept_times(const Haul *haul)
{
    PyObject *times_ns = PyList_New((Py_ssize_t)haul->reads);
    for (size_t i = 0; times_ns != NULL && i < haul->reads; i++) {
        PyObject *at_ns = PyLong_FromLongLong(haul->read_times_ns[i]);
        if (at_ns == NULL)
            Py_CLEAR(times_ns);
        else
            PyList_SetItem(times_ns, (Py_ssize_t)i, at_ns);
    }
    return times_ns;
}

static PyObject *kept_reads(const Haul *haul)
{
    const char *at = haul->bytes;
    PyObject *reads = PyList_New((Py_ssize_t)haul->reads);
    for (size_t i = 0; reads != NULL && i < haul->reads; at += haul->read_bytes[i++]) {
        PyObject *data = PyBytes_FromStringAndSize(at, (Py_ssize_t)haul->read_bytes[i]);
        if (data == NULL)
            Py_CLEAR(reads);
        else
            PyList_SetItem(reads, (Py_ssize_t)i, data);
    }
    return reads;
}

static PyObject *splice_take(Splice *splice, PyObject *none)
{
    (void)none;
    acquire(splice->splicer);
    Haul haul = splice->haul;
    memset(&splice->haul, 0, sizeof splice->haul);
    if (haul.reads > 0)
        splice->batch_reads = 2 * splice->batch_reads < splice->most_batch_reads ? 2 * splice->batch_reads
                                                                                 : splice->most_batch_reads;
    unmake_ready(splice);
    int end = splice->end;
    watch(splice, false);
    release(splice->splicer);
    PyObject *times_ns = kept_times(&haul), *reads = kept_reads(&haul), *taken = NULL;
    if (times_ns != NULL && reads != NULL)
        taken = Py_BuildValue("y#y#OOy#i", haul.events ? (char *)haul.times_ns : "",
                              (Py_ssize_t)(haul.events * sizeof *haul.times_ns), haul.events ? (char *)haul.chars : "",
                              (Py_ssize_t)(haul.events * sizeof *haul.chars), times_ns, reads,
                              haul.unsent_bytes ? haul.unsent : "", (Py_ssize_t)haul.unsent_bytes, end);
    Py_XDECREF(times_ns);
    Py_XDECREF(reads);
    drop_haul(&haul);
    return taken;
}

/* Take over a template; false when memory is out. */
static bool learn(Splice *splice, const char *prefix, size_t prefix_bytes, const char *suffix, size_t suffix_bytes)
{
    if (!grow(&splice->template, 1, prefix_bytes + suffix_bytes))
        return false;
    memcpy(splice->template, prefix, prefix_bytes);
    memcpy(splice->template + prefix_bytes, suffix, suffix_bytes);
    splice->prefix_bytes = prefix_bytes;
    splice->suffix_bytes = suffix_bytes;
    return true;
}

static PyObject *splice_arm(Splice *splice, PyObject *arguments)
{
    const char *prefix, *suffix;
    Py_ssize_t prefix_bytes, suffix_bytes;
    int chunked;
    if (!PyArg_ParseTuple(arguments, "y#y#p:arm", &prefix, &prefix_bytes, &suffix, &suffix_bytes, &chunked))
        return NULL;
    if (suffix_bytes == 0 || suffix[0] != '"') {
        PyErr_SetString(PyExc_ValueError, "a template's suffix begins with the quote that ends its text");
        return NULL;
    }
    acquire(splice->splicer);
    bool nothing_waits = splice->haul.reads == 0;
    bool learned = !nothing_waits || learn(splice, prefix, (size_t)prefix_bytes, suffix, (size_t)suffix_bytes);
    splice->chunked = chunked;
    splice->armed = nothing_waits && learned;
    if (splice->armed)
        splice->batch_reads = FIRST_BATCH;
    release(splice->splicer);
    return learned ? PyBool_FromLong(nothing_waits) : PyErr_NoMemory();
}

static PyObject *splice_pause(Splice *splice, PyObject *none)
{
    (void)none;
    acquire(splice->splicer);
    splice->paused = true;
    watch(splice, false);
    release(splice->splicer);
    Py_RETURN_NONE;
}

static PyObject *splice_resume(Splice *splice, PyObject *none)
{
    (void)none;
    acquire(splice->splicer);
    splice->paused = false;
    /* What came since the last `take` holds on: Python has not seen it. */
    splice->held = splice->held && splice->haul.reads > 0;
    splice->stuck = splice->stuck && splice->haul.unsent != NULL;
    watch(splice, false);
    release(splice->splicer);
    Py_RETURN_NONE;
}

static PyObject *splice_last_read_ns(Splice *splice, void *none)
{
    (void)none;
    acquire(splice->splicer);
    int64_t at_ns = splice->last_read_ns;
    release(splice->splicer);
    return PyLong_FromLongLong(at_ns);
}

/* The module ----------------------------------------------------------------------------------------------------- */

static PyMethodDef splicer_methods[] = {
    {"fileno", (PyCFunction)splicer_fileno, METH_NOARGS, "Readable while a Splice needs Python."},
    {"ready", (PyCFunction)splicer_ready, METH_O, "The in_fd of up to so many Splices that need Python."},
    {"splices", (PyCFunction)splicer_length, METH_NOARGS, "How many are on their way."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot splicer_slots[] = {
    {Py_tp_doc, "A thread that carries streamed answers."},
    {Py_tp_new, splicer_new},
    {Py_tp_dealloc, splicer_dealloc},
    {Py_tp_methods, splicer_methods},
    {0, NULL},
};

static PyType_Spec splicer_spec = {"imaxproxy.wire._splice.Splicer", sizeof(Splicer), 0, Py_TPFLAGS_DEFAULT,
                                   splicer_slots};

static PyMethodDef splice_methods[] = {
    {"take", (PyCFunction)splice_take, METH_NOARGS,
     "(times_ns and chars of recognised events, as int64 and int32 arrays; times_ns and bytes of kept reads, which came "
     "behind them; what the client's socket did not take; how the connection ended: -1 not, 0 closed, or an errno)"},
    {"arm", (PyCFunction)splice_arm, METH_VARARGS,
     "Recognise events like (prefix, suffix, chunked); False while kept reads wait to be taken."},
    {"pause", (PyCFunction)splice_pause, METH_NOARGS, "Read and write nothing from now on."},
    {"resume", (PyCFunction)splice_resume, METH_NOARGS, "Go on, behind what was taken."},
    {"stop", (PyCFunction)splice_stop, METH_NOARGS, "For good; the descriptors are the caller's again."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef splice_properties[] = {
    {"last_read_ns", (getter)splice_last_read_ns, NULL, "When the newest bytes came, else when it began.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot splice_slots[] = {
    {Py_tp_doc, "One answer on its way."},
    {Py_tp_new, splice_new},
    {Py_tp_dealloc, splice_dealloc},
    {Py_tp_methods, splice_methods},
    {Py_tp_getset, splice_properties},
    {0, NULL},
};

static PyType_Spec splice_spec = {"imaxproxy.wire._splice.Splice", sizeof(Splice), 0, Py_TPFLAGS_DEFAULT, splice_slots};

static int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type)
{
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *type == NULL ? -1 : PyModule_AddType(module, *type);
}

static int execute(PyObject *module)
{
    Module *state = PyModule_GetState(module);
    if (add_type(module, &splicer_spec, &state->splicer_type) < 0)
        return -1;
    return add_type(module, &splice_spec, &state->splice_type);
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    Module *state = PyModule_GetState(module);
    Py_VISIT(state->splicer_type);
    Py_VISIT(state->splice_type);
    return 0;
}

static int clear(PyObject *module)
{
    Module *state = PyModule_GetState(module);
    Py_CLEAR(state->splicer_type);
    Py_CLEAR(state->splice_type);
    return 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "imaxproxy.wire._splice",
    .m_doc = "Streamed answers carried without Python; see wire/splice.py.",
    .m_size = sizeof(Module),
    .m_slots = module_slots,
    .m_traverse = traverse,
    .m_clear = clear,
};

PyMODINIT_FUNC PyInit__splice(void)
{
    return PyModuleDef_Init(&definition);
}
