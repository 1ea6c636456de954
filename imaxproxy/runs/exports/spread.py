"""Mean, standard deviation and percentiles as numpy has them: what other tools' results are made of."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate


class Spread:
    """How values lie: exact, from each value and how often it occurs."""

    def __init__(self, counts: Mapping[float, int]) -> None:
        self._values = sorted(counts)
        self._ends = list(accumulate(counts[value] for value in self._values))
        self.count = self._ends[-1] if self._ends else 0
        self.total = math.fsum(value * counts[value] for value in self._values)
        self._counts = counts

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Of single values."""
        return cls(Counter(values))

    def scaled(self, factor: float) -> "Spread":
        """In another unit."""
        return Spread({value * factor: times for value, times in self._counts.items()})

    def mean(self) -> float:
        """Raises ValueError without a value, as all of these do."""
        return self.total / self._some()

    def std(self) -> float:
        """Of the population (numpy.std)."""
        count, mean = self._some(), self.mean()
        squares = math.fsum((value - mean) ** 2 * self._counts[value] for value in self._values)
        return math.sqrt(squares / count)

    def percentile(self, percent: float) -> float:
        """numpy.percentile's default: linear between the two nearest ranks, at (n - 1) percent / 100."""
        rank = (self._some() - 1) * percent / 100
        low = math.floor(rank)
        below, above = self._at(low), self._at(min(low + 1, self.count - 1))
        return below + (above - below) * (rank - low)

    def least(self) -> float:
        self._some()
        return self._values[0]

    def most(self) -> float:
        self._some()
        return self._values[-1]

    def _at(self, rank: int) -> float:
        return self._values[bisect_right(self._ends, rank)]

    def _some(self) -> int:
        if not self.count:
            raise ValueError("no value")
        return self.count
