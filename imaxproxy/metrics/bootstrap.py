"""How sure a percentile is: the bootstrap, which for one order statistic needs no resampling."""

import math
import random
from collections.abc import Sequence

RESAMPLES = 2_000


def percentile_of(ordered: Sequence[float], share: float) -> float:
    """The value that `share` of the sorted values do not exceed (nearest rank). Raises ValueError without a value."""
    if not ordered:
        raise ValueError("no value has no percentile")
    return ordered[_rank(len(ordered), share) - 1]


def resampled_percentiles(ordered: Sequence[float], share: float, rng: random.Random) -> list[float]:
    """What `percentile_of` gives for RESAMPLES samples drawn from these with replacement.

    The k-th smallest of n uniform numbers is Beta(k, n - k + 1), and a resample's k-th smallest is the value at that
    share of the sample (B. Efron 1979; exact, and its cost does not grow with n). Takes the values as independent:
    requests of one run depend on each other, so intervals from them are somewhat too narrow.
    """
    count = len(ordered)
    rank = _rank(count, share)
    return [ordered[min(count - 1, int(count * rng.betavariate(rank, count - rank + 1)))] for _ in range(RESAMPLES)]


def ratio_interval(
    a: Sequence[float], b: Sequence[float], share: float, seed: int = 0
) -> tuple[float, float, float] | None:
    """The percentile of b over that of a, and its 95 % bootstrap interval (percentile method); both sorted.

    None where a's percentile, or one of its resamples, is 0 or less: a ratio needs something to stand on.
    """
    rng = random.Random(seed)
    tops = resampled_percentiles(b, share, rng)
    bottoms = resampled_percentiles(a, share, rng)
    if percentile_of(a, share) <= 0 or min(bottoms) <= 0:
        return None
    ratios = sorted(top / bottom for top, bottom in zip(tops, bottoms, strict=True))
    low, high = ratios[round(0.025 * RESAMPLES)], ratios[round(0.975 * RESAMPLES) - 1]
    return percentile_of(b, share) / percentile_of(a, share), low, high


def _rank(count: int, share: float) -> int:
    return min(count, max(1, math.ceil(count * share)))
