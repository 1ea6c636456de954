"""Counts in buckets of a logarithmic scale: coarser than a Histogram, and cheap enough to be filled once a second.

A bucket is 3.7 % wide, and percentiles are interpolated within it. A window's figures are the sum of its seconds', so
many of these are kept and merged, of many processes too.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import repeat
from math import ceil, log10
from operator import rshift

_A_DECADE = 64
_DECADES = 13
_STEP_BITS = 12
_LEAST = 1e-3
"""What is less counts as that: of milliseconds, one microsecond."""
_ROUNDING = 1e-9
_HALF_STEP = 1 << (_STEP_BITS - 1)
BOUNDS = [round(10 ** (place / _A_DECADE)) for place in range(_A_DECADE, _DECADES * _A_DECADE + 1)]
"""Upper edges, from 10 to 10^13: of nanoseconds 10 ns to 2.8 hours. What lies beyond stands in a bucket of its own."""

Block = dict[str, float | int | None]


class LogBuckets:
    """Whole numbers above 0: nanoseconds, or rates in millionths. Mergeable."""

    __slots__ = ("counts", "sum")

    def __init__(self, counts: Mapping[int, int] | None = None, sum_: int = 0) -> None:
        self.counts: Counter[int] = Counter(counts)
        """By place in BOUNDS: of values up to that edge and above the one before."""
        self.sum = sum_

    def __repr__(self) -> str:
        return f"<LogBuckets {self.total} values>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LogBuckets):
            return NotImplemented
        return self.counts == other.counts and self.sum == other.sum

    __hash__ = None  # type: ignore[assignment]

    def add(self, value: int, times: int = 1) -> None:
        self.counts[bisect_left(BOUNDS, value)] += times
        self.sum += value * times

    def add_all(self, values: list[int], sum_: int | None = None) -> None:
        """Many at a time: to 4,096 exact, so that those near each other are put into their bucket together.

        sum_: of the values, where the caller has it for less.
        """
        for step, times in Counter(map(rshift, values, repeat(_STEP_BITS))).items():
            self.counts[bisect_left(BOUNDS, (step << _STEP_BITS) + _HALF_STEP)] += times
        self.sum += sum(values) if sum_ is None else sum_

    def merge(self, other: "LogBuckets") -> None:
        self.counts.update(other.counts)
        self.sum += other.sum

    @property
    def total(self) -> int:
        return self.counts.total()

    def block(self, unit: float, each_times: float = 1.0, *, low_tail: bool = False) -> Block:
        """count, p50, p90, p99 and mean, in `unit`; None where nothing was counted.

        each_times: every value stands for so many parts of itself: a gap before an event of 2 tokens is two of half.
        low_tail: p1 and p10 as well.
        """
        ranks = ({"p1": 1.0, "p10": 10.0} if low_tail else {}) | {"p50": 50.0, "p90": 90.0, "p99": 99.0}
        total = self.total
        if not total:
            return {"count": 0, **dict.fromkeys(ranks), "mean": None}
        divisor = unit * each_times
        values = {name: value / divisor for name, value in zip(ranks, self.values_at(ranks.values()), strict=True)}
        return {"count": round(total * each_times), **values, "mean": self.sum / (total * divisor)}

    def values_at(self, percentiles: Iterable[float]) -> list[float]:
        """The values at rising percentiles, as if those of a bucket lay evenly in it. Raises ValueError when empty."""
        total = self.total
        if not total:
            raise ValueError("no value was counted")
        found: list[float] = []
        buckets = iter(sorted(self.counts.items()))
        place, count = next(buckets)
        before = 0
        for percentile in percentiles:
            rank = max(percentile * total / 100, 0.5)
            while before + count < rank:
                before += count
                place, count = next(buckets)
            low, high = edges(place)
            found.append(low + (high - low) * (rank - before) / count)
        return found

    def as_row(self) -> list[object]:
        """For JSON."""
        return [list(self.counts), list(self.counts.values()), self.sum]

    @classmethod
    def from_row(cls, row: list[object]) -> "LogBuckets":
        places, counts, sum_ = row
        return cls(dict(zip(places, counts, strict=True)), sum_)  # type: ignore[call-overload, arg-type]


def edges(place: int) -> tuple[int, int]:
    """Between which values a bucket's lie."""
    low = BOUNDS[place - 1] if place else 0
    return low, BOUNDS[min(place, len(BOUNDS) - 1)] if place < len(BOUNDS) else low


def few_buckets(counts: Iterable[tuple[float, int]], most: int = 40) -> list[list[float]]:
    """`[[upper edge, count], ...]` of (value, count) pairs, rising, without empty ones.

    The edges are always of one grid, 20 a decade; where that gives more than `most`, every second or fifth of them.
    """
    rows = [(value, count) for value, count in counts if count]
    for every in (1, 2, 5, 10, 20):
        totals: Counter[int] = Counter()
        for value, count in rows:
            totals[ceil(log10(max(value, _LEAST)) * 20 / every - _ROUNDING)] += count
        if len(totals) <= most:
            break
    return [[10 ** (step * every / 20), totals[step]] for step in sorted(totals)]
