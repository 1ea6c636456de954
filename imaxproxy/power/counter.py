"""Joules from a counter that is read now and then: when it moved, and what it would have said in between."""

import math
import statistics
from array import array
from bisect import bisect_right
from itertools import pairwise

from imaxproxy.clock import NS_PER_MS, NS_PER_S

_NEIGHBOURS = 24
"""How many moves to each side of one may help to say when it was."""
_PERIODIC = 0.15
"""A counter moves periodically when half of its gaps lie within this share of their median."""
_STUCK_PERIODS, _STUCK_LEAST_NS = 8, NS_PER_S
_STEP = 0.25
"""Power steps, rather than wavers, when it changes by more than this share from one segment to the next but one."""
_STEP_DOUBT = 1 / 3
"""What is left of a step's error when it is placed: a load's real beginning has a shape."""
_CLEARLY = 0.8
"""A fall of more than this share of the range is a wrap, of less a reset."""


class Counter:
    """One device's cumulative energy as a function of time.

    A counter that latches (NVML's, about ten times a second) is as old as its last move, so its knots are its moves,
    not the reads: between the last read of the old value and the first of the new one. Where it moves periodically,
    neighbouring moves narrow that down, as every read is another view of the same rhythm. One that is exact at each
    read (`update_ms` 0) has every read as a knot. Energy between knots is linear: mean power.
    """

    def __init__(self, update_ms: float | None = None, range_mj: float | None = None) -> None:
        """update_ms: as in `Device.counter_update_ms`.  range_mj: where it wraps."""
        self._said_ns = None if update_ms is None else round(update_ms * NS_PER_MS)
        self._range_mj = range_mj
        self._offset_mj = 0.0
        self._last: tuple[int, float] | None = None
        self.resets_ns = array("q")
        """When it began again, or fell for no reason: no difference across such a time means anything."""
        self._before_ns = array("q")
        """For each knot, the last read before the move."""
        self._after_ns = array("q")
        """For each knot, the first read that saw it."""
        self._energy_j = array("d")
        self._period_ns: float | None = None
        self._rhythm: float | None = None
        self._numbers: list[int] = []
        self._refined: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._after_ns)

    def set_update(self, update_ms: float) -> None:
        """The calibration has found out how often it moves."""
        self._said_ns = round(update_ms * NS_PER_MS)
        self._period_ns = self._rhythm = None

    def add(self, time_ns: int, energy_mj: float) -> None:
        """A read, later than all before. What is not a number, or is below 0, is left out by the caller."""
        last, self._last = self._last, (time_ns, energy_mj)
        if last is None:
            if self._said_ns == 0:
                self._append(time_ns, time_ns, energy_mj)
            return
        fall_mj = last[1] - energy_mj
        if fall_mj > 0:
            if self._range_mj is not None and fall_mj > _CLEARLY * self._range_mj:
                self._offset_mj += self._range_mj
            else:
                self.resets_ns.append(time_ns)
                self._offset_mj += fall_mj
        if fall_mj != 0 or self._said_ns == 0:
            self._append(time_ns if self._said_ns == 0 else last[0], time_ns, energy_mj)

    @property
    def period_ns(self) -> float:
        """How often it moves: said, or the median gap of its moves; 0 when it is exact at each read."""
        if self._period_ns is None:
            if self._said_ns == 0:
                self._period_ns = 0.0
            else:
                gaps = [b - a for a, b in pairwise(self._after_ns)]
                self._period_ns = float(statistics.median(gaps)) if gaps else float(self._said_ns or 0)
        return self._period_ns

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """From the first knot to the last; None with fewer than two."""
        return (self.knot_ns(0), self.knot_ns(len(self) - 1)) if len(self) > 1 else None

    def knot_ns(self, at: int) -> int:
        """When the counter moved."""
        if at not in self._refined:
            self._refined[at] = self._refine(at)
        return self._refined[at]

    def energy_at_j(self, time_ns: int) -> float | None:
        """Joules since the first knot; None outside of what was seen.

        Between knots by mean power; where power steps from one level to another there (a load begins or ends), at the
        one time within the segment at which that step leaves the segment's energy as it was read.
        """
        part = self._segment(time_ns)
        if part is None:
            return None
        left, (begin_ns, end_ns) = part
        length_ns = end_ns - begin_ns
        share = (time_ns - begin_ns) / length_ns if length_ns > 0 else 1.0
        spent_j = self._energy_j[left + 1] - self._energy_j[left]
        if (step := self._step(left)) is not None:
            before_w, after_w, at_share = step
            early, late = min(share, at_share), max(share - at_share, 0.0)
            return self._energy_j[left] + (before_w * early + after_w * late) * length_ns / NS_PER_S
        return self._energy_j[left] + share * spent_j

    def between_j(self, begin_ns: int, end_ns: int) -> float | None:
        """Energy of a stretch; None when it is not bracketed or the counter began again within it."""
        begin_j, end_j = self.energy_at_j(begin_ns), self.energy_at_j(end_ns)
        if begin_j is None or end_j is None or self.has_reset(begin_ns, end_ns):
            return None
        return end_j - begin_j

    def has_reset(self, begin_ns: int, end_ns: int) -> bool:
        """It began again within the stretch, or within the segments that its edges lie in."""
        slack_ns = round(self.period_ns) + NS_PER_MS
        return any(begin_ns - slack_ns <= at_ns <= end_ns + slack_ns for at_ns in self.resets_ns)

    def is_stuck(self, begin_ns: int, end_ns: int) -> bool:
        """It stood still for eight of its periods, and a second at least, although it was read."""
        if self._last is None or not len(self):
            return self._last is not None
        limit_ns = max(_STUCK_PERIODS * self.period_ns, _STUCK_LEAST_NS)
        first = max(bisect_right(self._after_ns, begin_ns) - 1, 0)
        for at in range(first, len(self)):
            if self._after_ns[at] > end_ns:
                break
            read_until_ns = self._before_ns[at + 1] if at + 1 < len(self) else self._last[0]
            if min(read_until_ns, end_ns) - self._after_ns[at] > limit_ns:
                return True
        return False

    def edge_error_j(self, time_ns: int) -> float:
        """Standard uncertainty of `energy_at_j`: power may have stepped anywhere within the segment.

        u = (|step of power| * length of the segment + power * doubt about the knots' times) / sqrt(12)
        """
        part = self._segment(time_ns)
        if part is None:
            return 0.0
        left, (begin_ns, end_ns) = part
        powers = [self._mean_w(at) for at in range(max(left - 1, 0), min(left + 2, len(self) - 1))]
        step_w = max(powers) - min(powers) if powers else 0.0
        if self._step(left) is not None:
            step_w *= _STEP_DOUBT
        doubt_ns = self._doubt_ns(left)
        spent = step_w * (end_ns - begin_ns) + self._mean_w(left) * doubt_ns
        return abs(spent) / NS_PER_S / math.sqrt(12)

    def _append(self, before_ns: int, after_ns: int, energy_mj: float) -> None:
        self._before_ns.append(before_ns)
        self._after_ns.append(after_ns)
        self._energy_j.append((energy_mj + self._offset_mj) / 1000)
        self._period_ns = self._rhythm = None
        if self._refined:
            self._refined = {}

    def _segment(self, time_ns: int) -> tuple[int, tuple[int, int]] | None:
        """The knots around a time: the left one's number, and both times."""
        if len(self) < 2:
            return None
        at = min(max(bisect_right(self._after_ns, time_ns) - 1, 0), len(self) - 2)
        while at + 2 < len(self) and self.knot_ns(at + 1) < time_ns:
            at += 1
        while at > 0 and self.knot_ns(at) > time_ns:
            at -= 1
        begin_ns, end_ns = self.knot_ns(at), self.knot_ns(at + 1)
        return (at, (begin_ns, end_ns)) if begin_ns <= time_ns <= end_ns else None

    def _step(self, left: int) -> tuple[float, float, float] | None:
        """Power before and after, and at what share of the segment it changed; None where there is no such step."""
        if not 0 < left < len(self) - 2:
            return None
        before_w, within_w, after_w = (self._mean_w(at) for at in (left - 1, left, left + 1))
        if abs(after_w - before_w) <= _STEP * max(before_w, after_w):
            return None
        at_share = (within_w - after_w) / (before_w - after_w)
        return (before_w, after_w, at_share) if 0 <= at_share <= 1 else None

    def _mean_w(self, left: int) -> float:
        length_ns = self.knot_ns(left + 1) - self.knot_ns(left)
        return (self._energy_j[left + 1] - self._energy_j[left]) / length_ns * NS_PER_S if length_ns > 0 else 0.0

    def _bounds_ns(self, at: int) -> tuple[float, float]:
        """Within what a move happened, by its own two reads. It is no older than one period when it is first seen."""
        after_ns = self._after_ns[at]
        before_ns = max(self._before_ns[at], after_ns - self.period_ns) if self.period_ns else after_ns
        return before_ns, after_ns

    def _refine(self, at: int) -> int:
        low_ns, high_ns = self._narrowed_ns(at)
        return round((low_ns + high_ns) / 2)

    def _doubt_ns(self, at: int) -> float:
        low_ns, high_ns = self._narrowed_ns(at)
        return high_ns - low_ns

    def _narrowed_ns(self, at: int) -> tuple[float, float]:
        """The bounds of a move, cut by those of its neighbours, each shifted by whole periods. A neighbour that
        contradicts is where the rhythm slipped: nobody beyond it is asked."""
        low_ns, high_ns = self._bounds_ns(at)
        period_ns = self._rhythm_ns()
        if not period_ns:
            return low_ns, high_ns
        numbers = self._numbers
        for step in (-1, 1):
            for other in range(at + step, at + step * (_NEIGHBOURS + 1), step):
                if not 0 <= other < len(self):
                    break
                other_low_ns, other_high_ns = self._bounds_ns(other)
                periods = numbers[other] - numbers[at]
                cut_low = max(low_ns, other_low_ns - periods * period_ns)
                cut_high = min(high_ns, other_high_ns - periods * period_ns)
                if cut_low > cut_high:
                    break
                low_ns, high_ns = cut_low, cut_high
        return low_ns, high_ns

    def _rhythm_ns(self) -> float:
        """The period to a few microseconds, by all moves at once; 0 where there is no rhythm, or no need of one."""
        if self._rhythm is None:
            self._rhythm = self._find_rhythm_ns()
        return self._rhythm

    def _find_rhythm_ns(self) -> float:
        if self.period_ns == 0 or len(self) < 8:
            return 0.0
        median_ns = self.period_ns
        gaps = [b - a for a, b in pairwise(self._after_ns)]
        reads_ns = statistics.median(b - a for a, b in zip(self._before_ns, self._after_ns, strict=True))
        near = [gap for gap in gaps if abs(gap - median_ns) <= max(_PERIODIC * median_ns, 1.1 * reads_ns)]
        if len(near) < len(gaps) / 2 or reads_ns >= median_ns:
            return 0.0
        self._numbers = self._numbered(statistics.fmean(near))
        return _slope(self._numbers, self._after_ns)

    def _numbered(self, period_ns: float) -> list[int]:
        """Which of the rhythm's beats each move was. One that is seen is the next one, however late it was seen, unless
        nobody looked for longer than a period."""
        numbers = [0]
        for at in range(1, len(self)):
            beats = 1
            if self._after_ns[at] - self._before_ns[at] >= period_ns:
                beats = max(round((self._after_ns[at] - self._after_ns[at - 1]) / period_ns), 1)
            numbers.append(numbers[-1] + beats)
        return numbers


def _slope(numbers: list[int], times_ns: "array[int]") -> float:
    """Least squares: time for each step."""
    mean_x, mean_y = statistics.fmean(numbers), statistics.fmean(times_ns)
    spread = sum((x - mean_x) ** 2 for x in numbers)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(numbers, times_ns, strict=True)) / spread if spread else 0.0
