"""How sure a figure is: Student's t over repeated runs, Wilson's interval of a share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

_TABLE = """
12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262 2.228 2.201 2.179 2.160 2.145 2.131
2.120 2.110 2.101 2.093 2.086 2.080 2.074 2.069 2.064 2.060 2.056 2.052 2.048 2.045 2.042
"""
_T_975 = tuple(map(float, _TABLE.split()))
"""The 97.5th percentile of Student's t for 1 to 30 degrees of freedom (any table of it)."""
Z_975 = 1.959964


def t_975(freedom: int) -> float:
    """The 97.5th percentile of Student's t; above 30 degrees by the first two terms of its expansion in 1/freedom.

    Abramowitz and Stegun, 26.7.5; off by less than 0.001 there. Raises ValueError below 1.
    """
    if freedom < 1:
        raise ValueError(f"t needs at least 1 degree of freedom, not {freedom}")
    if freedom <= len(_T_975):
        return _T_975[freedom - 1]
    z = Z_975
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % confidence interval, in the unit of its values."""

    count: int
    mean: float
    stdev: float | None
    """Of single values, n - 1 in its denominator; None of one value."""
    low: float | None
    high: float | None


def t_interval(values: Sequence[float]) -> Interval:
    """mean +- t(0.975, n - 1) * s / sqrt(n): assumes independent runs with nearly normal means. Needs a value."""
    mean = fmean(values)
    if len(values) < 2:
        return Interval(len(values), mean, None, None, None)
    spread = stdev(values)
    half = t_975(len(values) - 1) * spread / math.sqrt(len(values))
    return Interval(len(values), mean, spread, mean - half, mean + half)


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share, by Wilson's score (1927): right for shares near 0 and 1 too. (0, 1) without trials."""
    return wilson_of_share(hits / trials if trials else 0.0, trials)


def wilson_of_share(share: float, trials: float) -> tuple[float, float]:
    """As `wilson`, of a share seen in so many trials: where they are not independent, those that they are worth."""
    if not trials:
        return 0.0, 1.0
    z2 = Z_975**2
    centre = share + z2 / (2 * trials)
    half = Z_975 * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    scale = 1 + z2 / trials
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def share_difference(hits_a: int, trials_a: int, hits_b: int, trials_b: int) -> tuple[float, float, float]:
    """Share b - share a, and its 95 % interval by Newcombe's hybrid of two Wilson intervals (1998, method 10).

    Raises ValueError where either has no trial: it has no share.
    """
    if not trials_a or not trials_b:
        raise ValueError("a share needs a trial")
    a, b = hits_a / trials_a, hits_b / trials_b
    (low_a, high_a), (low_b, high_b) = wilson(hits_a, trials_a), wilson(hits_b, trials_b)
    low = b - a - math.hypot(b - low_b, high_a - a)
    high = b - a + math.hypot(high_b - b, a - low_a)
    return b - a, low, high
