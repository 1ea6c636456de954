#include "gaps.h"

enum { STEP_NS = 1 << 12 };       /* as in metrics/log_buckets.py: to 4,096 ns exact, and the middle of that counts */

static size_t place_of(int64_t value, const int64_t *bounds, size_t number)
{
    size_t low = 0, high = number;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (bounds[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void count_gaps(const int64_t *times, size_t first, size_t last, const int64_t *bounds, size_t bounds_number,
                uint64_t *counts)
{
    for (size_t at = first; at < last; at++) {
        int64_t gap = times[at] - times[at - 1];
        int64_t step = gap - (gap & (STEP_NS - 1));
        counts[place_of(step + STEP_NS / 2, bounds, bounds_number)]++;
    }
}
