"""Capping idle gaps: hours in which a user was away say nothing of an engine, and make a replay last for days.

A gap is a time in which nothing of a session tree runs. What exceeds the cap is cut out of the tree's whole timeline,
so that agents side by side keep their places; where a trace has no stamps, single waits are cut.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate

from imaxproxy.errors import UsageError
from imaxproxy.traces.row import TraceRow
from imaxproxy.traces.session_tree import SessionTrees

_ROUNDING_MS = 2_000.0
"""Stamps of agent traces are rounded to seconds: a wait may seem to begin before the gap that it is."""


@dataclass
class _Timeline:
    """One tree: when its requests ran, and later which gaps are cut."""

    spans_ms: list[tuple[float, float]] = field(default_factory=list)
    stamped: bool = True
    gap_ends_ms: list[float] = field(default_factory=list)
    cut_ms: list[float] = field(default_factory=list)
    """Everything cut up to and with the gap of the same place."""

    def close(self, cap_ms: float) -> None:
        busy_until_ms, cuts_ms = None, []
        for start_ms, end_ms in sorted(self.spans_ms):
            if busy_until_ms is not None and start_ms - busy_until_ms > cap_ms:
                self.gap_ends_ms.append(start_ms)
                cuts_ms.append(start_ms - busy_until_ms - cap_ms)
            busy_until_ms = max(end_ms, busy_until_ms or end_ms)
        self.cut_ms = list(accumulate(cuts_ms))
        self.spans_ms.clear()

    def cut_before_ms(self, at_ms: float) -> float:
        place = bisect_right(self.gap_ends_ms, at_ms)
        return self.cut_ms[place - 1] if place else 0.0


class WaitCap:
    """One pass: each row's own wait, cut to the cap. Says what it cut."""

    def __init__(self, cap_ms: float) -> None:
        self._cap_ms = cap_ms
        self.cut_ms = 0.0
        """In the latest pass, as far as it has come."""

    def apply(self, rows: Iterable[TraceRow]) -> Iterator[TraceRow]:
        self.cut_ms = 0.0
        return map(self.clipped, rows)

    def clipped(self, row: TraceRow) -> TraceRow:
        over_ms = row.wait_ms - self._cap_ms
        self.cut_ms += max(0.0, over_ms)
        return _wait_less(row, over_ms)


class TreeIdleCap:
    """Two passes: `look` at all rows, then `apply` to them again. Says what it cut."""

    def __init__(self, cap_s: float) -> None:
        if cap_s < 0:
            raise UsageError(f"--idle-gap-cap must be 0 s or more, not {cap_s:g}")
        self._cap_ms = cap_s * 1000
        self._waits = WaitCap(self._cap_ms)
        self._timelines: dict[str, _Timeline] = {}
        self.gaps = 0
        """Gaps longer than the cap."""
        self.cut_s = 0.0
        """What is cut out of them, over all trees."""

    def look(self, rows: Iterable[TraceRow]) -> None:
        trees, overs_ms = SessionTrees(), list[tuple[str, float]]()
        for row in rows:
            root = trees.root(row)
            timeline = self._timelines.setdefault(root, _Timeline())
            if row.wait_ms > self._cap_ms:
                overs_ms.append((root, row.wait_ms - self._cap_ms))
            if row.timestamp_ms is None:
                timeline.stamped = False
            else:
                end_ms = row.timestamp_ms + float(row.recorded.get("e2e_ms") or 0.0)
                timeline.spans_ms.append((row.timestamp_ms, end_ms))
        for timeline in self._timelines.values():
            timeline.close(self._cap_ms)
        cuts_ms = [over_ms for root, over_ms in overs_ms if not self._timelines[root].stamped]
        of_trees = [each for each in self._timelines.values() if each.stamped and each.cut_ms]
        self.gaps = len(cuts_ms) + sum(len(each.cut_ms) for each in of_trees)
        self.cut_s = (sum(cuts_ms) + sum(each.cut_ms[-1] for each in of_trees)) / 1000

    def apply(self, rows: Iterable[TraceRow]) -> Iterator[TraceRow]:
        trees = SessionTrees()
        for row in rows:
            timeline = self._timelines[trees.root(row)]
            if not timeline.stamped:
                yield self._waits.clipped(row)
            elif row.timestamp_ms is not None:
                yield self._moved(row, row.timestamp_ms, timeline)

    def _moved(self, row: TraceRow, at_ms: float, timeline: _Timeline) -> TraceRow:
        shift_ms = timeline.cut_before_ms(at_ms)
        if not shift_ms:
            return row
        in_wait_ms = shift_ms - timeline.cut_before_ms(at_ms - row.wait_ms - _ROUNDING_MS)
        return replace(_wait_less(row, min(in_wait_ms, row.wait_ms)), timestamp_ms=at_ms - shift_ms)


def _wait_less(row: TraceRow, less_ms: float) -> TraceRow:
    """Take it from the delay first, the rest from the wait in tools."""
    if less_ms <= 0:
        return row
    of_delay_ms = min(less_ms, row.delay_ms or 0.0)
    of_tools_ms = less_ms - of_delay_ms
    return replace(
        row,
        delay_ms=None if row.delay_ms is None else row.delay_ms - of_delay_ms,
        tool_wait_ms=None if row.tool_wait_ms is None else max(0.0, row.tool_wait_ms - of_tools_ms),
    )
