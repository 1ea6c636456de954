/* What of one answer waits for Python. */
#ifndef IMAXPROXY_HAUL_H
#define IMAXPROXY_HAUL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* Give an array (a pointer to its pointer) room for so many items; false when memory is out. */
bool grow(void *array, size_t item_bytes, size_t room);

/* Add to it; false when memory is out. */
bool add_event(Haul *haul, int64_t at_ns, int32_t chars);
bool keep_read(Haul *haul, int64_t at_ns, const char *data, size_t size);

void drop_haul(Haul *haul);

#endif
