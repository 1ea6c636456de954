"""HDR histogram: 1 us to 1 h in three significant digits, mergeable, byte-compatible with HdrHistogram.

The bucket layout is HdrHistogram's for (1, 3_600_000_000, 3). The `hdrhistogram` package is used as the codec only:
recording a value there takes 1.4 us and a mean 52 ms; a Counter takes 0.06 us a value, and the exact mean is free.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from math import ceil
from operator import mul

LOWEST, HIGHEST, DIGITS = 1, 3_600_000_000, 3
_HALF_MAGNITUDE = 10  # 2048 sub-buckets hold three digits; the upper 1024 are used from the second bucket on
_HALF = 1 << _HALF_MAGNITUDE
_TOP_BITS = _HALF_MAGNITUDE + 1
MOST_FRESH = 50_000
"""So many differing values are held before they are put into buckets."""
_FEW = 8
"""So often the same values are counted one by one, which C does, rather than multiplied."""

PERCENTILES: tuple[tuple[str, float], ...] = (
    ("p50", 50.0),
    ("p75", 75.0),
    ("p90", 90.0),
    ("p95", 95.0),
    ("p99", 99.0),
    ("p999", 99.9),
)

Stats = dict[str, float | int | None]


class Histogram:
    """Counts of whole numbers. Times are recorded in us and read in ms, rates in 1/1000 and read in 1: see `UNIT`.

    Values are counted as they are, which C does, and put into buckets when somebody reads or when many differ.
    """

    UNIT = 1000

    __slots__ = ("_counts", "_fresh", "_maximum", "_minimum", "_most_fresh", "_out_of_range", "_total", "_weighted_sum")

    def __init__(self, most_fresh: int = MOST_FRESH) -> None:
        """`most_fresh`: for histograms that are many, less memory against some time."""
        self._most_fresh = most_fresh
        self._fresh: Counter[int] = Counter()  # by value
        self._counts: Counter[int] = Counter()  # by bucket
        self._total = 0
        self._weighted_sum = 0
        self._minimum: int | None = None
        self._maximum: int | None = None
        self._out_of_range = 0

    def record(self, value: int) -> None:
        self._fresh[value] += 1
        if len(self._fresh) > self._most_fresh:  # a proxy that nobody asks for figures records for weeks
            self._settle()

    def record_values(self, values: Sequence[int], times: int = 1) -> None:
        """Add many, each so many times: 0.05 us each."""
        if times > _FEW:
            self.record_counts({value: count * times for value, count in Counter(values).items()})
            return
        for _ in range(times):
            self._fresh.update(values)
        if len(self._fresh) > self._most_fresh:
            self._settle()

    def record_counts(self, counts: Mapping[int, int]) -> None:
        """Add each value as often as its count says."""
        self._fresh.update(counts)
        if len(self._fresh) > self._most_fresh:
            self._settle()

    def merge(self, other: "Histogram") -> None:
        """Add all of another's counts; any order of merges gives the same histogram."""
        self._settle()
        other._settle()
        self._counts.update(other._counts)
        self._total += other._total
        self._weighted_sum += other._weighted_sum
        self._out_of_range += other._out_of_range
        self._minimum = _extreme(min, self._minimum, other._minimum)
        self._maximum = _extreme(max, self._maximum, other._maximum)

    @property
    def counts(self) -> Counter[int]:
        """Bucket index -> count."""
        self._settle()
        return self._counts

    @property
    def total(self) -> int:
        self._settle()
        return self._total

    @property
    def minimum(self) -> int | None:
        """The least value, exact; None when empty."""
        self._settle()
        return self._minimum

    @property
    def maximum(self) -> int | None:
        """The largest value, exact; None when empty."""
        self._settle()
        return self._maximum

    @property
    def weighted_sum(self) -> int:
        self._settle()
        return self._weighted_sum

    @property
    def out_of_range(self) -> int:
        """Values above an hour or below zero: recorded at the edge, and counted here."""
        self._settle()
        return self._out_of_range

    def _settle(self) -> None:
        """Put the values counted so far into buckets."""
        fresh = self._fresh
        if not fresh:
            return
        self._minimum = _extreme(min, self._minimum, min(fresh))
        self._maximum = _extreme(max, self._maximum, max(fresh))
        self._total += fresh.total()
        self._weighted_sum += sum(map(mul, fresh, fresh.values()))
        counts = self._counts
        for value, times in fresh.items():
            if not 0 <= value <= HIGHEST:
                self._out_of_range += times
                value = min(max(value, 0), HIGHEST)
            bucket = value.bit_length() - _TOP_BITS  # HdrHistogram's countsArrayIndex
            index = ((bucket + 1) << _HALF_MAGNITUDE) + (value >> bucket) - _HALF if bucket > 0 else value
            counts[index] = counts.get(index, 0) + times
        self._fresh = Counter()

    def value_at(self, percentile: float) -> int | None:
        """The least value that `percentile` % of the values do not exceed, by HdrHistogram's buckets; None when empty.

        That is the nearest rank, rounded up, as in HdrHistogram's Java: of 560 values p99 is the 555th, p99.9 the last.
        Rounding half up, as its C and Python do, would call 98.9 % of them p99, and contradict what `--slo` counts.
        """
        return self.values_at([percentile])[0]

    def values_at(self, percentiles: Iterable[float]) -> list[int | None]:
        """`value_at` for rising percentiles, in one walk."""
        if not self.total:
            return [None for _ in percentiles]
        buckets = iter(sorted(self.counts.items()))
        index, seen = next(buckets)
        values: list[int | None] = []
        for percentile in percentiles:
            rank = max(1, ceil(round(percentile * self.total / 100, 6)))  # 99.9 % of 1,000 is 999, whatever floats say
            while seen < rank:
                index, count = next(buckets)
                seen += count
            values.append(_highest_equivalent(index))
        return values

    def counts_up_to(self, bounds: Iterable[int]) -> list[int]:
        """How many values are at most each of the rising `bounds`; a bucket counts where its upper edge does."""
        buckets = self.edges()
        totals = list(accumulate((count for _, count in buckets), initial=0))
        edges = [edge for edge, _ in buckets]
        return [totals[bisect_right(edges, bound)] for bound in bounds]

    def edges(self) -> list[tuple[int, int]]:
        """(upper edge, count) of each bucket that holds any, rising."""
        return [(_highest_equivalent(index), count) for index, count in sorted(self.counts.items())]

    def stats(self) -> Stats:
        """count, mean, min, max and percentiles, in ms for times, in 1 for rates; None when empty."""
        names = [name for name, _ in PERCENTILES]
        highest = self.maximum or 0  # a bucket's upper edge lies above the largest value in it
        values = [value and min(value, highest) for value in self.values_at([rank for _, rank in PERCENTILES])]
        mean = self.weighted_sum / self.total if self.total else None
        head: Stats = {"count": self.total, "mean": _read(mean), "min": _read(self.minimum), "max": _read(self.maximum)}
        return head | {name: _read(value) for name, value in zip(names, values, strict=True)}

    def slow_tail(self) -> Stats:
        """Of rates, where slow is low: what 99 % and 90 % of the values reach or beat; None when empty."""
        values = [value and min(value, self.maximum or 0) for value in self.values_at([1.0, 10.0])]
        return {name: _read(value) for name, value in zip(("p01", "p10"), values, strict=True)}

    def encode(self) -> str:
        """HdrHistogram's compressed V2 form in base64, as a `.hlog` line holds it."""
        from hdrh.histogram import HdrHistogram

        carrier = HdrHistogram(LOWEST, HIGHEST, DIGITS)
        for index, count in self.counts.items():
            carrier.counts[index] = count
        carrier.set_internal_tacking_values(
            min((index for index in self.counts if index), default=-1), max(self.counts, default=-1), self.total
        )
        encoded: bytes = carrier.encode()
        return encoded.decode()

    @classmethod
    def decode(cls, encoded: str) -> "Histogram":
        """Read what `encode`, or any HdrHistogram tool with our layout, wrote. Sum and extremes are then of buckets.

        Raises ValueError for what is no histogram, and for another layout: its counts stand at other values.
        """
        import zlib

        from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
        from hdrh.histogram import HdrHistogram

        try:
            carrier = HdrHistogram.decode(encoded.encode())
        except (HdrCookieException, HdrHistogramSettingsException, HdrLengthException, zlib.error) as error:
            raise ValueError(f"not a histogram: {error}") from error
        if (carrier.unit_magnitude, carrier.sub_bucket_half_count_magnitude) != (0, _HALF_MAGNITUDE):
            raise ValueError(f"not a histogram of {DIGITS} digits from {LOWEST} on")
        histogram = cls()
        histogram.record_counts(
            {_lowest_equivalent(index): count for index, count in enumerate(carrier.counts[:]) if count}
        )
        return histogram


def _lowest_equivalent(index: int) -> int:
    bucket = (index >> _HALF_MAGNITUDE) - 1
    sub = (index & (_HALF - 1)) + _HALF
    return sub - _HALF if bucket < 0 else sub << bucket


def _highest_equivalent(index: int) -> int:
    bucket = max((index >> _HALF_MAGNITUDE) - 1, 0)
    return _lowest_equivalent(index) + (1 << bucket) - 1


def _extreme(choose: Callable[[list[int]], int], a: int | None, b: int | None) -> int | None:
    known = [value for value in (a, b) if value is not None]
    return choose(known) if known else None


def _read(value: float | None) -> float | None:
    return None if value is None else value / Histogram.UNIT
