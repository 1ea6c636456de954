"""Is one of two paired samples larger? Wilcoxon's signed-rank test, and how far apart they are by order statistics."""

import math
from collections.abc import Sequence
from itertools import groupby
from statistics import NormalDist

from imaxproxy.metrics.interval import Z_975

_EXACT_UP_TO = 30
"""Above so many pairs the normal approximation is within 1 % of the exact p."""


def signed_rank_p(differences: Sequence[float]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test (1945) that the differences lie evenly around 0.

    Zeros are left out, ties share their rank; exact up to 30 differences, else normal with continuity and tie
    corrections. 1 where all are 0: nothing speaks against it.
    """
    found = sorted(filter(None, differences), key=abs)
    if not found:
        return 1.0
    doubled, ties = _doubled_ranks(list(map(abs, found)))
    rising = sum(rank for rank, value in zip(doubled, found, strict=True) if value > 0)
    if len(found) <= _EXACT_UP_TO:
        return _exact_p(doubled, rising)
    count, statistic = len(found), rising / 2
    mean = count * (count + 1) / 4
    spread = math.sqrt(count * (count + 1) * (2 * count + 1) / 24 - ties / 48)
    z = max(abs(statistic - mean) - 0.5, 0.0) / spread
    return 2 * NormalDist().cdf(-z)


def _doubled_ranks(ordered: list[float]) -> tuple[Sequence[int], int]:
    """The rank of each sorted value times two, so that ranks that equal values share are whole; and the tie term,
    the sum of t^3 - t over groups of t equals."""
    if len(set(ordered)) == len(ordered):  # as latencies are, and twenty times as fast
        return range(2, 2 * len(ordered) + 1, 2), 0
    doubled: list[int] = []
    ties = 0
    for _, tied in groupby(ordered):
        count = sum(1 for _ in tied)
        doubled += [2 * len(doubled) + count + 1] * count
        ties += count**3 - count
    return doubled, ties


def _exact_p(doubled: Sequence[int], rising: int) -> float:
    """By counting all sign patterns, which are equally likely: how many give a sum at least as far from the middle."""
    ways = {0: 1}
    for rank in doubled:
        more = dict(ways)
        for total, times in ways.items():
            more[total + rank] = more.get(total + rank, 0) + times
        ways = more
    whole, patterns = sum(doubled), 1 << len(doubled)
    far = abs(2 * rising - whole)
    extreme = sum(times for total, times in ways.items() if abs(2 * total - whole) >= far)
    return min(1.0, extreme / patterns)


def median_interval(ordered: Sequence[float]) -> tuple[float, float, float]:
    """The median of sorted values, and the interval that holds the true one with 95 %, whatever the distribution.

    Between the k-th smallest and the k-th largest, k from the binomial of n and 1/2 (the sign test, turned round). With
    fewer than 6 values the extremes hold less than 95 %: then the interval is from minus to plus infinity.
    """
    count = len(ordered)
    if not count:
        raise ValueError("no value has no median")
    middle = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    depth = _depth(count)
    if depth < 1:
        return middle, -math.inf, math.inf
    return middle, ordered[depth - 1], ordered[count - depth]


def _depth(count: int) -> int:
    """The largest k with P(Binomial(n, 1/2) < k) of 2.5 % at most."""
    if count > 1000:
        return math.floor((count + 1 - Z_975 * math.sqrt(count)) / 2)
    below, depth, limit = 0, 0, 2**count * 0.025
    while below + math.comb(count, depth) <= limit:
        below += math.comb(count, depth)
        depth += 1
    return depth
