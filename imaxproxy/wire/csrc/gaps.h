/* Gaps between neighbouring times, counted by place among rising bounds: what metrics/gaps.py asks for. */
#ifndef IMAXPROXY_GAPS_H
#define IMAXPROXY_GAPS_H

#include <stddef.h>
#include <stdint.h>

/* Gaps before times[first] up to, not including, times[last]; 1 <= first. counts has a place more than there are bounds. */
void count_gaps(const int64_t *times, size_t first, size_t last, const int64_t *bounds, size_t bounds_number,
                uint64_t *counts);

#endif
