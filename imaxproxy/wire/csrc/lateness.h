/* How long after their bytes had come reads were made, as a histogram: the thread's own lag. */
#ifndef IMAXPROXY_LATENESS_H
#define IMAXPROXY_LATENESS_H

#include <stdint.h>

enum { LATENESS_BUCKETS = 8 * 24 }; /* eight for each doubling, from 1 us to 67 s; longer ones are put into the last */

typedef struct {
    uint64_t reads[LATENESS_BUCKETS];
    uint64_t unstamped;           /* reads of which the kernel did not say when their bytes came; in no bucket */
} Lateness;

void note_lateness(Lateness *lateness, int64_t late_ns);

/* The longest lateness in us that a bucket holds. */
int64_t bucket_us(int bucket);

#endif
