"""What can be done to a trace on the way from one file to another, one step after the other.

A step looks at all rows once, if it must, and is then applied to them; each pass starts at the file again, so that no
trace has to fit into memory.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Protocol

from imaxproxy.errors import UsageError
from imaxproxy.traces.idle import TreeIdleCap
from imaxproxy.traces.inspect import session_digest
from imaxproxy.traces.leave_out import LeaveOut
from imaxproxy.traces.mid_start import MidStart
from imaxproxy.traces.recorded import within
from imaxproxy.traces.row import OutputMode, TraceRow
from imaxproxy.traces.session_tree import SessionTrees, of_trees, sample_count, sample_share

Rows = Iterable[TraceRow]


class Step(Protocol):
    """One change to a trace."""

    def look(self, rows: Rows) -> None:
        """See all rows once, before they are changed."""

    def apply(self, rows: Rows) -> Iterator[TraceRow]:
        """The rows, changed."""

    def report(self) -> dict[str, Any]:
        """What was done, for people and JSON, once `apply` has ended."""


class Steps:
    """Several steps as one source of rows."""

    def __init__(self, rows: Callable[[], Rows], steps: list[Step]) -> None:
        self._rows, self._steps = rows, steps
        for count, step in enumerate(steps):
            step.look(self._after(count))

    def __iter__(self) -> Iterator[TraceRow]:
        return iter(self._after(len(self._steps)))

    def report(self) -> dict[str, Any]:
        return {name: value for step in self._steps for name, value in step.report().items()}

    def _after(self, count: int) -> Rows:
        rows = self._rows()
        for step in self._steps[:count]:
            rows = step.apply(rows)
        return rows


class _OnePass:
    """A step that needs no look beforehand."""

    def look(self, rows: Rows) -> None:
        pass


class Without(_OnePass):
    """Leaves out single rows; sessions stay whole (see LeaveOut)."""

    def __init__(self, name: str, leaves: Callable[[TraceRow], bool]) -> None:
        self._name, self._leave_out = name, LeaveOut(leaves)

    def apply(self, rows: Rows) -> Iterator[TraceRow]:
        return self._leave_out.apply(rows)

    def report(self) -> dict[str, Any]:
        return {self._name: self._leave_out.rows}


class FirstTurns(_OnePass):
    """The first turns of each session."""

    def __init__(self, turns: int) -> None:
        self._turns, self._cut = turns, 0

    def apply(self, rows: Rows) -> Iterator[TraceRow]:
        self._cut = 0
        seen: Counter[str] = Counter()
        beyond: set[str] = set()
        for row in rows:
            if row.session_id is not None:
                seen[row.session_id] += 1
            # What waits for a turn that is gone is gone itself: a join, or a sub-agent that it would have spawned.
            if seen[row.session_id or ""] > self._turns or not beyond.isdisjoint(row.wait_for):
                beyond.add(row.request_id)
                self._cut += 1
            else:
                yield row

    def report(self) -> dict[str, Any]:
        return {"requests_beyond_turns": self._cut}


class Window:
    """The session trees that begin in a part of the trace, whole; stamps count from there."""

    def __init__(self, from_s: float, to_s: float | None) -> None:
        if to_s is not None and to_s <= from_s:
            raise UsageError(f"--to-s must be above --from-s, not {to_s:g} after {from_s:g}")
        self._from_s, self._to_s = from_s, math.inf if to_s is None else to_s
        self._first_ms: float | None = None
        self._outside = 0

    def look(self, rows: Rows) -> None:
        stamps = (row.timestamp_ms for row in rows if row.timestamp_ms is not None)
        self._first_ms = min(stamps, default=None)
        if self._first_ms is None:
            raise UsageError("--from-s and --to-s need timestamps, and the trace has none")

    def apply(self, rows: Rows) -> Iterator[TraceRow]:
        first_ms, self._outside = self._first_ms or 0.0, 0
        zero_ms = first_ms + self._from_s * 1000
        for row in within(self._counted(rows), self._from_s, self._to_s, first_ms=first_ms):
            self._outside -= 1
            at_ms = row.timestamp_ms
            yield row if at_ms is None else replace(row, timestamp_ms=round(max(0.0, at_ms - zero_ms), 6))

    def _counted(self, rows: Rows) -> Iterator[TraceRow]:
        for row in rows:
            self._outside += 1
            yield row

    def report(self) -> dict[str, Any]:
        return {"requests_outside_window": self._outside}


class Dedupe:
    """Of session trees that ask the same, the first."""

    def __init__(self) -> None:
        self._kept: frozenset[str] = frozenset()
        self._trees = 0

    def look(self, rows: Rows) -> None:
        trees, digests = SessionTrees(), dict[str, bytes]()
        for row in rows:
            if row.session_id is not None:
                root = trees.root(row)
                digests[root] = session_digest(digests.get(root, b""), row)
        first: dict[bytes, str] = {}
        for root, digest in digests.items():
            first.setdefault(digest, root)
        self._kept, self._trees = frozenset(first.values()), len(digests)

    def apply(self, rows: Rows) -> Iterator[TraceRow]:
        trees = SessionTrees()
        return (row for row in rows if row.session_id is None or trees.root(row) in self._kept)

    def report(self) -> dict[str, Any]:
        return {"duplicate_sessions": self._trees - len(self._kept)}


class CapIdle:
    """See TreeIdleCap."""

    def __init__(self, cap_s: float) -> None:
        self._cap = TreeIdleCap(cap_s)

    def look(self, rows: Rows) -> None:
        self._cap.look(rows)

    def apply(self, rows: Rows) -> Iterator[TraceRow]:
        return self._cap.apply(rows)

    def report(self) -> dict[str, Any]:
        return {"idle_gaps_cut": self._cap.gaps, "idle_cut_s": round(self._cap.cut_s, 3)}


class StartMidway:
    """See MidStart."""

    def __init__(self, seed: int, low: float, high: float) -> None:
        self._mid_start = MidStart(seed, low, high)

    def look(self, rows: Rows) -> None:
        self._mid_start.look(rows)

    def apply(self, rows: Rows) -> Iterator[TraceRow]:
        return self._mid_start.apply(rows)

    def report(self) -> dict[str, Any]:
        return {"turns_before_mid_start": self._mid_start.turns_gone}


class Speed(_OnePass):
    """Stamps and waits divided; hash ids and lengths stay."""

    def __init__(self, speed: float) -> None:
        if not 0 < speed < float("inf"):
            raise UsageError(f"--speed must be above 0, not {speed:g}")
        self._speed = speed

    def apply(self, rows: Rows) -> Iterator[TraceRow]:
        for row in rows:
            yield replace(
                row,
                timestamp_ms=self._faster(row.timestamp_ms),
                delay_ms=self._faster(row.delay_ms),
                tool_wait_ms=self._faster(row.tool_wait_ms),
            )

    def _faster(self, ms: float | None) -> float | None:
        return None if ms is None else round(ms / self._speed, 6)

    def report(self) -> dict[str, Any]:
        return {"speed": self._speed}


class SampleShare(_OnePass):
    """Whole session trees, each with the same probability."""

    def __init__(self, share: float, seed: int) -> None:
        self._share, self._seed = share, seed
        sample_share((), share, seed)  # complains of a share that is none

    def apply(self, rows: Rows) -> Iterator[TraceRow]:
        return sample_share(rows, self._share, self._seed)

    def report(self) -> dict[str, Any]:
        return {"share": self._share, "seed": self._seed}


class SampleCount:
    """So many whole session trees."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed = count, seed
        self._roots: frozenset[str] = frozenset()

    def look(self, rows: Rows) -> None:
        self._roots = sample_count(rows, self._count, self._seed)

    def apply(self, rows: Rows) -> Iterator[TraceRow]:
        return of_trees(rows, self._roots)

    def report(self) -> dict[str, Any]:
        return {"session_trees": self._count, "seed": self._seed}


class ForceOutput(_OnePass):
    """How the length of answers is held, where the trace says a length."""

    def __init__(self, mode: OutputMode) -> None:
        self._mode: OutputMode = mode
        self._without = 0

    def apply(self, rows: Rows) -> Iterator[TraceRow]:
        self._without = 0
        for row in rows:
            can = row.output_length is not None or self._mode == "natural"
            self._without += not can
            yield replace(row, output_mode=self._mode) if can else row

    def report(self) -> dict[str, Any]:
        return {"output_mode": self._mode, "requests_without_output_length": self._without}


class FromZero:
    """Stamps that are unix time count from the trace's first from here on."""

    def __init__(self) -> None:
        self._first_ms = 0.0

    def look(self, rows: Rows) -> None:
        self._first_ms = min((row.timestamp_ms for row in rows if row.timestamp_ms is not None), default=0.0)

    def apply(self, rows: Rows) -> Iterator[TraceRow]:
        for row in rows:
            at_ms = row.timestamp_ms
            yield row if at_ms is None else replace(row, timestamp_ms=round(at_ms - self._first_ms, 3))

    def report(self) -> dict[str, Any]:
        return {"zero_unix_ms": self._first_ms}
