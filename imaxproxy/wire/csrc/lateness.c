#include "lateness.h"

/* Below 16 us a bucket is 1 us wide; from there on a bucket's width is an eighth of the power of two below it. */
static int bucket_of(uint64_t us)
{
    if (us < 16)
        return (int)us;
    int power = 63 - __builtin_clzll(us);
    int bucket = 8 * (power - 2) + (int)(us >> (power - 3) & 7);
    return bucket < LATENESS_BUCKETS ? bucket : LATENESS_BUCKETS - 1;
}

void note_lateness(Lateness *lateness, int64_t late_ns)
{
    lateness->reads[bucket_of(late_ns <= 0 ? 0 : (uint64_t)late_ns / 1000)]++;
}

int64_t bucket_us(int bucket)
{
    if (bucket < 16)
        return bucket;
    int power = bucket / 8 + 2;
    return ((int64_t)(8 + bucket % 8 + 1) << (power - 3)) - 1;
}
