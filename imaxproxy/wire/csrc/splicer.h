/* Streamed answers carried from an engine's socket to a client's by a thread that never takes Python's lock.
 *
 * A Splicer is one thread and one epoll. A Splice is one answer on its way: what is read from `in_fd` gets the time at
 * which it came (arrival.h), is sent to `out_fd` (-1: nowhere, for a client of ours), and is then looked at. A read that
 * is a row of events like the template is recorded as (time, characters of text) of each event, and its bytes are
 * dropped. Any other read is kept, and after it all that follow, until Python has taken them, read them in full and armed
 * the template again. A Splice without `out_fd` carries one answer after the other (`begin_answer`).
 *
 * Where nobody is relayed to and the kernel stamps what comes, the thread may read late without a stamp being late: it
 * then wakes once for all that comes within GATHER_NS, not once for each event.
 *
 * Python is told (through an eventfd in its own loop) only of what needs it: kept reads that are due (wire/reception.py),
 * what a client's socket did not take, and the connection's end.
 *
 * All functions here but `open_splicer` and `close_splicer` may be called while the thread runs. They take the lock, which
 * guards everything in a Splicer and its Splices. The thread holds it for one read at a time, with the send that follows,
 * so that after `pause_splice` or `stop_splice` has returned no descriptor of a Splice is in use. No Python object is made
 * or dropped under the lock: that may run a collection, which may run a destructor, which may want the lock.
 */
#ifndef IMAXPROXY_SPLICER_H
#define IMAXPROXY_SPLICER_H

#include <pthread.h>

#include "arrival.h"
#include "haul.h"
#include "lateness.h"
#include "recognise.h"

enum { OPEN = -1 };               /* `end` while the connection is open; then 0 (closed) or an errno */

typedef struct Splice Splice;

typedef struct {
    pthread_mutex_t lock;
    pthread_mutex_t turnstile;    /* lets Python in between two reads even when the thread never idles */
    pthread_t thread;
    bool running;
    int epoll_fd, ready_fd, quit_fd;
    uint32_t generation;
    Splice **by_fd;               /* the Splice that reads a descriptor, or NULL */
    size_t by_fd_room, splices;
    size_t relays;                /* Splices with an `out_fd` */
    Splice *first_ready, *last_ready;
    WallClock wall;
    Lateness lateness;            /* of reads since `take_lateness` */
    char *buffer;
} Splicer;

struct Splice {
    Splicer *splicer;
    int in_fd, out_fd;
    uint32_t generation;          /* an epoll event fetched before a stop must not find the descriptor's next user */
    Splice *previous_ready, *next_ready;
    bool is_ready, is_watched, started, armed;
    bool paused;                  /* by Python */
    bool held;                    /* relaying, behind a read that may be the answer's last, until Python has looked */
    bool stuck;                   /* behind what the client's socket did not take, until Python has written it */
    int end;
    int64_t last_read_ns;         /* when its newest bytes came */
    size_t batch_reads, most_batch_reads;
    Template template;
    Haul haul;
};

/* Start the thread; an errno when that cannot be. `close_splicer` is to be called in either case. */
int open_splicer(Splicer *splicer);
void close_splicer(Splicer *splicer);

/* The in_fd of up to `most` Splices that need Python; they are told of no more for the same reason. */
size_t ready_splices(Splicer *splicer, int *in_fds, size_t most);
size_t count_splices(Splicer *splicer);

/* Begin, with everything but `splicer`, `in_fd`, `out_fd`, `most_batch_reads` and `paused` zero; an errno when that cannot
 * be. */
int start_splice(Splice *splice);

/* For good: the descriptors are the caller's again. Does nothing to one that is not started. */
void stop_splice(Splice *splice);

/* Hand over what waits; returns `end`. */
int take_haul(Splice *splice, Haul *haul);

/* Hand over the recognised events only, and leave all else as it is; returns how many kept reads wait behind them. */
size_t take_events(Splice *splice, Haul *events);

/* Neither read nor write; go on behind what was taken. */
void pause_splice(Splice *splice);
void resume_splice(Splice *splice);

typedef enum { ARMED, READS_WAIT, NO_MEMORY } Arming;

/* Recognise events like this, unless kept reads wait that nobody has looked at. */
Arming arm_splice(Splice *splice, const char *prefix, size_t prefix_bytes, const char *suffix, size_t suffix_bytes,
                  bool chunked);

/* Of one without `out_fd`: another answer follows. Its reads are told one by one until `expect_reads`. */
void begin_answer(Splice *splice);
void expect_reads(Splice *splice, size_t most_batch_reads);

/* Something has come, or the connection has ended, that Python has not taken. */
bool is_stirred(Splice *splice);

int64_t last_read_ns(Splice *splice);

/* How late reads were since the last time. */
void take_lateness(Splicer *splicer, Lateness *lateness);

#endif
