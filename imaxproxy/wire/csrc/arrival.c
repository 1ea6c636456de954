#include "arrival.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CLOSE_NS = 2000,              /* two clocks read within this time of each other were read at one time */
    TRIES = 4,
    SAME_NS = 20000,              /* the clocks' difference is measured no better than this */
    EARLY_NS = 100000000,         /* what came before anyone was there to read it counts from then, if not older */
};

static int64_t in_ns(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int64_t time_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return in_ns(now);
}

int64_t monotonic_ns(void)
{
    return time_ns(CLOCK_MONOTONIC);
}

void open_wall_clock(WallClock *clock)
{
    memset(clock, 0, sizeof *clock);
    clock->keeps_stamping_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (clock->keeps_stamping_fd >= 0)
        ask_for_stamps(clock->keeps_stamping_fd);
    look_at_wall_clock(clock);
}

void close_wall_clock(WallClock *clock)
{
    if (clock->keeps_stamping_fd >= 0)
        close(clock->keeps_stamping_fd);
}

void look_at_wall_clock(WallClock *clock)
{
    for (int i = 0; i < TRIES; i++) {
        int64_t before_ns = monotonic_ns(), wall_ns = time_ns(CLOCK_REALTIME), after_ns = monotonic_ns();
        if (after_ns - before_ns > CLOSE_NS)
            continue; /* interrupted in between */
        int64_t ahead_ns = wall_ns - (before_ns + after_ns) / 2, moved_ns = ahead_ns - clock->ahead_ns;
        clock->known = -SAME_NS < moved_ns && moved_ns < SAME_NS;
        if (!clock->known)
            clock->ahead_ns = ahead_ns; /* as long as it is the same, the first measurement stands: no jitter from here */
        return;
    }
}

void ask_for_stamps(int fd)
{
    int yes = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes); /* without them the read's time is taken */
}

static bool stamp_of(struct msghdr *message, struct timespec *stamp)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
            memcpy(stamp, CMSG_DATA(part), sizeof *stamp);
            return true;
        }
    return false;
}

Arrival read_arrival(const WallClock *clock, int fd, char *buffer, size_t room, int64_t since_ns)
{
    struct iovec into = {.iov_base = buffer, .iov_len = room};
    _Alignas(struct cmsghdr) char control[64]; /* one stamp takes 32 */
    struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = control};
    Arrival arrival = {0};
    do {
        message.msg_controllen = sizeof control;
        arrival.size = recvmsg(fd, &message, MSG_DONTWAIT);
    } while (arrival.size < 0 && errno == EINTR);
    if (arrival.size <= 0)
        return arrival;
    arrival.at_ns = arrival.now_ns = monotonic_ns();
    struct timespec stamp;
    if (clock->known && stamp_of(&message, &stamp)) {
        int64_t at_ns = in_ns(stamp) - clock->ahead_ns;
        arrival.stamped = since_ns - EARLY_NS <= at_ns && at_ns <= arrival.now_ns + SAME_NS;
        if (arrival.stamped)
            arrival.at_ns = at_ns < since_ns ? since_ns : at_ns > arrival.now_ns ? arrival.now_ns : at_ns;
    }
    return arrival;
}
