"""Joules from a counter that is read now and then: when it moved, and what it would have said in between."""

import math
import statistics
from array import array
from bisect import bisect_right
from itertools import pairwise
from typing import Literal

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.power.course import Course, level_w
from imaxproxy.power.rhythm import Rhythm
from imaxproxy.power.watts import Watts

_STUCK_PERIODS, _STUCK_LEAST_NS = 8, NS_PER_S
_STEP = 0.25
"""Power steps, rather than wavers, when it changes by more than this share from one segment to the next but one."""
_STEP_DOUBT = 1 / 3
"""What is left of a step's error when it is placed: a load's real beginning has a shape."""
_CLEARLY = 0.8
"""A fall of more than this share of the range is a wrap, of less a reset."""


class Counter:
    """One device's cumulative energy as a function of time.

    A counter that latches (NVML's, ten times a second) is as old as its last move, so its knots are its moves, not the
    reads: between the last read of the old value and the first of the new one, and no longer ago than one period. Where
    it keeps a rhythm they are on its beats. One that is exact at each read (`update_ms` 0) has every read as a knot.
    """

    def __init__(
        self, update_ms: float | None = None, range_mj: float | None = None, watts: Watts | None = None
    ) -> None:
        """update_ms: as in `Device.counter_update_ms`.  range_mj: where it wraps.  watts: instant ones of the same
        device, read more often: they tell how power went between two knots, the joules how much there was."""
        self._watts = Watts() if watts is None else watts
        self._courses: dict[int, Course | None] = {}
        self._said_ns = None if update_ms is None else round(update_ms * NS_PER_MS)
        self._range_mj = range_mj
        self._offset_mj = 0.0
        self._last: tuple[int, float] | None = None
        self._last_begun_ns = 0
        self.resets_ns = array("q")
        """When it began again, or fell for no reason: no difference across such a time means anything."""
        self._before_ns = array("q")
        """For each knot, when the last read before the move began."""
        self._after_ns = array("q")
        """For each knot, when the first read that saw it had ended."""
        self._read_ns = array("q")
        """How long that took."""
        self._energy_j = array("d")
        self._period_ns: float | None = None
        self._rhythm: Rhythm | Literal[False] | None = False
        """False: not looked for yet."""
        self._places: dict[int, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._after_ns)

    def set_update(self, update_ms: float) -> None:
        """The calibration has found out how often it moves."""
        self._said_ns = round(update_ms * NS_PER_MS)
        self._period_ns, self._rhythm, self._places, self._courses = None, False, {}, {}

    def add(self, time_ns: int, energy_mj: float, read_ns: int = 0) -> None:
        """A read that ended then and took read_ns, later than all before. What is not a number, or is below 0, is left
        out by the caller."""
        last, self._last = self._last, (time_ns, energy_mj)
        last_begun_ns, self._last_begun_ns = self._last_begun_ns, time_ns - read_ns
        if last is None:
            if self._said_ns == 0:
                self._append(time_ns, time_ns, energy_mj, 0)
            return
        fall_mj = last[1] - energy_mj
        if fall_mj > 0:
            if self._range_mj is not None and fall_mj > _CLEARLY * self._range_mj:
                self._offset_mj += self._range_mj
            else:
                self.resets_ns.append(time_ns)
                self._offset_mj += fall_mj
        if fall_mj != 0 or self._said_ns == 0:
            self._append(time_ns if self._said_ns == 0 else last_begun_ns, time_ns, energy_mj, read_ns)

    @property
    def period_ns(self) -> float:
        """How often it moves: said, or the mean gap of its moves; 0 when it is exact at each read."""
        if self._period_ns is None:
            if self._said_ns is not None:
                self._period_ns = float(self._said_ns)
            else:
                gaps = [b - a for a, b in pairwise(self._after_ns)]
                self._period_ns = _usual(gaps) if gaps else 0.0
        return self._period_ns

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """From the first knot to the last; None with fewer than two."""
        return (self.knot_ns(0), self.knot_ns(len(self) - 1)) if len(self) > 1 else None

    def knot_ns(self, at: int) -> int:
        """When the counter moved."""
        if at not in self._places:
            self._places[at] = self._placed(at)
        return self._places[at][0]

    @property
    def rhythm(self) -> Rhythm | None:
        """What it moves to; None where it keeps no time, or is exact at every read."""
        if self._rhythm is False:
            bounds = map(self._bounds_ns, range(len(self)))
            self._rhythm = Rhythm.of(list(bounds), self.period_ns) if self.period_ns else None
        return self._rhythm

    def energy_at_j(self, time_ns: int) -> float | None:
        """Joules since the first knot; None outside of what was seen.

        Between knots by mean power, or as the watts went where they wavered; where it steps from one level to another
        (a load begins or ends), at the one time within the segment at which that step leaves its energy as it was read.
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
        if (course := self._course(left, begin_ns, end_ns)) is not None:
            share = course.share(time_ns)
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
        doubt_ns = self._placed(left)[1]
        spent = step_w * (end_ns - begin_ns) + self._mean_w(left) * doubt_ns
        return abs(spent) / NS_PER_S / math.sqrt(12)

    def _append(self, before_ns: int, after_ns: int, energy_mj: float, read_ns: int) -> None:
        self._read_ns.append(read_ns)
        self._before_ns.append(before_ns)
        self._after_ns.append(after_ns)
        self._energy_j.append((energy_mj + self._offset_mj) / 1000)
        self._period_ns, self._rhythm = None, False
        if self._places or self._courses:
            self._places, self._courses = {}, {}

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
        if not 0 <= at_share <= 1:
            return None
        return self._levelled(left, before_w, within_w, after_w, at_share) or (before_w, after_w, at_share)

    def _levelled(
        self, left: int, before_w: float, within_w: float, after_w: float, at_share: float
    ) -> tuple[float, float, float] | None:
        """The same with the segment's own levels instead of its neighbours', where the watts tell them: a prompt may
        have been read in it. By their ratio to the watts of the neighbours, so that the watts' gain cancels."""
        begin_ns, end_ns = self.knot_ns(left), self.knot_ns(left + 1)
        step_ns = round(begin_ns + at_share * (end_ns - begin_ns))
        own = level_w(self._watts, begin_ns, step_ns), level_w(self._watts, step_ns, end_ns)
        beside = (
            level_w(self._watts, self.knot_ns(left - 1), begin_ns),
            level_w(self._watts, end_ns, self.knot_ns(left + 2)),
        )
        before_w, after_w = (
            power_w * mine / theirs if mine and theirs else power_w
            for power_w, mine, theirs in zip((before_w, after_w), own, beside, strict=True)
        )
        if abs(after_w - before_w) <= _STEP * max(before_w, after_w):
            return None
        at_share = (within_w - after_w) / (before_w - after_w)
        return (before_w, after_w, at_share) if 0 <= at_share <= 1 else None

    def _course(self, left: int, begin_ns: int, end_ns: int) -> Course | None:
        if left not in self._courses:
            self._courses[left] = Course.of(self._watts, begin_ns, end_ns)
        return self._courses[left]

    def _mean_w(self, left: int) -> float:
        length_ns = self.knot_ns(left + 1) - self.knot_ns(left)
        return (self._energy_j[left + 1] - self._energy_j[left]) / length_ns * NS_PER_S if length_ns > 0 else 0.0

    def _bounds_ns(self, at: int) -> tuple[float, float]:
        """Within what a move happened, by its own two reads. It is no older than one period when it is first seen."""
        after_ns = self._after_ns[at]
        if not self.period_ns:
            return after_ns, after_ns
        return max(self._before_ns[at], after_ns - self._read_ns[at] - self.period_ns), after_ns

    def _placed(self, at: int) -> tuple[int, float]:
        """When a move was, and how much that is in doubt: on the beat within its bounds, or in their middle."""
        low_ns, high_ns = self._bounds_ns(at)
        rhythm = self.rhythm
        beat_ns = rhythm.beat_in(low_ns, high_ns) if rhythm is not None else None
        if beat_ns is None or rhythm is None:
            return round((low_ns + high_ns) / 2), high_ns - low_ns
        return round(beat_ns), min(rhythm.doubt_ns, high_ns - low_ns)


def _usual(gaps: list[int]) -> float:
    """The mean without those that are plainly several. Not the median: reads see gaps in steps of their own tick."""
    median = statistics.median(gaps)
    return statistics.fmean(gap for gap in gaps if gap <= 2 * median)
