/* When bytes came: the kernel's stamp of a read's newest packet (SO_TIMESTAMPNS), told in CLOCK_MONOTONIC.
 *
 * It does not depend on when anyone gets round to reading. The kernel stamps in CLOCK_REALTIME; both clocks are slewed
 * alike and differ by a constant until somebody sets the wall clock. Where that happens, where a socket has no stamps
 * (not TCP, packets that came before the kernel was told to stamp) or where a stamp cannot be, it is the time of the
 * read. */
#ifndef IMAXPROXY_ARRIVAL_H
#define IMAXPROXY_ARRIVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    int64_t ahead_ns;             /* CLOCK_REALTIME less CLOCK_MONOTONIC */
    bool known;                   /* and the same as in the turn before */
    int keeps_stamping_fd;        /* as long as it is open the kernel stamps: switching that is slow */
} WallClock;

typedef struct {
    ssize_t size;                 /* as of recv(2); the errno stands in errno */
    int64_t now_ns;               /* when it was read */
    int64_t at_ns;                /* when it came */
    bool stamped;                 /* by the kernel */
} Arrival;

int64_t monotonic_ns(void);

void open_wall_clock(WallClock *clock);
void close_wall_clock(WallClock *clock);

/* To be called once before a row of reads. */
void look_at_wall_clock(WallClock *clock);

/* Have reads of this socket carry stamps, where it can. */
void ask_for_stamps(int fd);

/* Read what is there, without waiting. `since_ns`: nothing of it counts as come before. */
Arrival read_arrival(const WallClock *clock, int fd, char *buffer, size_t room, int64_t since_ns);

#endif
