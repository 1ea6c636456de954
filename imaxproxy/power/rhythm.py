"""A counter that moves periodically: its period and phase, found from reads that saw it move."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from imaxproxy.clock import NS_PER_MS

Bounds = tuple[float, float]
"""Between which times a move was, ns."""
_FINE = 0.6
"""Moves whose bounds are narrower than this share of the period say something of the phase."""
_LEAST = 8
_NOMINAL = 0.005
_AGREEING = 0.9
_SLACK_NS = 2 * NS_PER_MS
"""A read takes up to some ms, and is stamped at its end."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Beats at phase_ns + n * period_ns; each is known to within doubt_ns."""

    period_ns: float
    phase_ns: float
    doubt_ns: float

    @classmethod
    def of(cls, moves: Sequence[Bounds], guess_ns: float) -> Self | None:
        """From the bounds of moves, in their order. None where they are few, coarse, or keep no time.

        A period that is a whole number of ms but for a small part is taken for that, unless the moves contradict: an
        H200's counter kept 100.000 ms of the host's clock to a millionth. So a few seconds of quick reads at the
        beginning tell the phase for a long run, and some at its end how far the two clocks have drifted.
        """
        fine = [bounds for bounds in moves if bounds[1] - bounds[0] <= _FINE * guess_ns]
        if len(fine) < _LEAST:
            return None
        whole_ns = float(round(guess_ns / NS_PER_MS) * NS_PER_MS)
        is_whole = whole_ns > 0 and abs(guess_ns - whole_ns) <= _NOMINAL * whole_ns
        middles = [(low + high) / 2 for low, high in fine]
        numbers = _numbered(middles, whole_ns if is_whole else guess_ns)
        candidates_ns = [whole_ns, _slope(numbers, middles)] if is_whole else [_slope(numbers, middles)]
        for period_ns in candidates_ns:
            if (rhythm := cls._fitted(fine, numbers, period_ns)) is not None:
                return rhythm
        return None

    @classmethod
    def _fitted(cls, fine: Sequence[Bounds], numbers: Sequence[int], period_ns: float) -> Self | None:
        """The phase that the bounds of nearly all moves allow; None where there is none."""
        lows = sorted(low - number * period_ns for (low, _), number in zip(fine, numbers, strict=True))
        highs = sorted(high - number * period_ns for (_, high), number in zip(fine, numbers, strict=True))
        odd = len(fine) // 20  # a late read or two contradicts everybody
        low_ns, high_ns = lows[-1 - odd], highs[odd]
        rhythm = cls(period_ns, (low_ns + high_ns) / 2, max(high_ns - low_ns, float(NS_PER_MS)))
        kept = sum(rhythm.beat_in(low, high) is not None for low, high in fine)
        return rhythm if kept >= _AGREEING * len(fine) and high_ns > low_ns - 2 * _SLACK_NS else None

    def beat_in(self, low_ns: float, high_ns: float) -> float | None:
        """The one beat between two times, or just outside of them; None where there is none near, or more than one."""
        first = math.ceil((low_ns - _SLACK_NS - self.phase_ns) / self.period_ns)
        last = math.floor((high_ns + _SLACK_NS - self.phase_ns) / self.period_ns)
        if last > first:
            return None
        beat_ns = self.phase_ns + first * self.period_ns
        if last < first:  # none within: the one that is nearer, if the phase's own doubt explains it
            beat_ns = self._nearest((low_ns + high_ns) / 2)
            if max(low_ns - beat_ns, beat_ns - high_ns) > self.doubt_ns:
                return None
        return min(max(beat_ns, low_ns), high_ns)

    def _nearest(self, time_ns: float) -> float:
        return self.phase_ns + round((time_ns - self.phase_ns) / self.period_ns) * self.period_ns


def _numbered(middles: Sequence[float], period_ns: float) -> list[int]:
    """Which beat each move was, the first one 0."""
    numbers = [0]
    for before, after in pairwise(middles):
        numbers.append(numbers[-1] + max(round((after - before) / period_ns), 1))
    return numbers


def _slope(numbers: Sequence[int], times_ns: Sequence[float]) -> float:
    """Least squares: time for each beat."""
    mean_x, mean_y = statistics.fmean(numbers), statistics.fmean(times_ns)
    spread = sum((x - mean_x) ** 2 for x in numbers)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(numbers, times_ns, strict=True)) / spread
