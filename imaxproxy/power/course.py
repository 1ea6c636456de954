"""How power went between two moves of a counter, by the watts that were read meanwhile: the counter says how many
joules there were, the watts when. Their gain cancels."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Self

from imaxproxy.clock import NS_PER_MS
from imaxproxy.power.watts import Watts

_AGE_NS = 60 * NS_PER_MS
"""A Hopper's instant power is the mean of 25 ms, and up to 100 ms old: so far back is its middle."""
_STALE_NS = 125 * NS_PER_MS
"""No read is older."""
_LEAST_READS = 3
_STEADY = 0.15
"""Watts that waver by less tell of their sensor rather than of the load."""


@dataclass(frozen=True, slots=True)
class Course:
    """A stretch in pieces, one around each read, and the share of the stretch's energy up to each of their edges."""

    edges_ns: Sequence[int]
    shares: Sequence[float]

    @classmethod
    def of(cls, watts: Watts, begin_ns: int, end_ns: int) -> Self | None:
        """None where the reads are few, or tell of a steady load: a straight line is better then."""
        times_ns, power_w = watts.reads(begin_ns + _AGE_NS, end_ns + _AGE_NS)
        if len(power_w) < _LEAST_READS or max(power_w) - min(power_w) <= _STEADY * max(power_w):
            return None
        middles = [(a + b) // 2 - _AGE_NS for a, b in pairwise(times_ns)]
        edges_ns = [begin_ns, *middles, end_ns]
        energies = [level_w * (b - a) for level_w, (a, b) in zip(power_w, pairwise(edges_ns), strict=True)]
        total = sum(energies)
        return cls(edges_ns, [each / total for each in accumulate(energies, initial=0.0)])

    def share(self, time_ns: float) -> float:
        """Of the stretch's energy, up to a time within it."""
        at = min(max(bisect_right(self.edges_ns, time_ns) - 1, 0), len(self.edges_ns) - 2)
        begin_ns, end_ns = self.edges_ns[at], self.edges_ns[at + 1]
        into = (time_ns - begin_ns) / (end_ns - begin_ns) if end_ns > begin_ns else 1.0
        return self.shares[at] + (self.shares[at + 1] - self.shares[at]) * into


def level_w(watts: Watts, begin_ns: int, end_ns: int) -> float | None:
    """Mean of the watts that were measured within a stretch; None for few."""
    _, power_w = watts.reads(begin_ns + _STALE_NS, end_ns)
    return sum(power_w) / len(power_w) if len(power_w) >= _LEAST_READS else None
