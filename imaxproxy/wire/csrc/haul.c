#include "haul.h"

#include <stdlib.h>
#include <string.h>

bool grow(void *array, size_t item_bytes, size_t room)
{
    void **at = array;
    void *grown = realloc(*at, item_bytes * room);
    if (grown == NULL)
        return false;
    *at = grown;
    return true;
}

bool add_event(Haul *haul, int64_t at_ns, int32_t chars)
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

bool keep_read(Haul *haul, int64_t at_ns, const char *data, size_t size)
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

void drop_haul(Haul *haul)
{
    free(haul->times_ns);
    free(haul->chars);
    free(haul->read_times_ns);
    free(haul->read_bytes);
    free(haul->bytes);
    free(haul->unsent);
    memset(haul, 0, sizeof *haul);
}
