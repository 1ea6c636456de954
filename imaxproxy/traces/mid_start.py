"""Starting sessions in mid-trajectory, as InferenceX's AgentX does: caches warm and phases mixed, as in a long run.

Of each session tree the first part is left out. One request of a single output token stands for it: it carries the
prompt of the last turn that is gone, so that the engine holds in cache what it would have held.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from imaxproxy.errors import UsageError
from imaxproxy.traces.history import History
from imaxproxy.traces.row import TraceRow
from imaxproxy.traces.seed import stream
from imaxproxy.traces.session_tree import SessionTrees

WARMUP = "warmup"
"""The `request_kind` of a request that fills caches and is no part of what is measured."""


@dataclass
class _Cut:
    """One tree: how many turns of its main session are left out, and how far a pass over its rows has come."""

    gone: int
    seen: int = 0
    last_gone: TraceRow | None = None
    started: bool = False
    zero_ms: float = 0.0


class MidStart:
    """Two passes: `look` at all rows, then `apply` to them again."""

    def __init__(self, seed: int, low: float = 0.25, high: float = 0.75) -> None:
        if not 0 <= low <= high < 1:
            raise UsageError(f"--mid-start must be two shares LOW:HIGH from 0 to below 1, not {low:g}:{high:g}")
        self._seed, self._low, self._high = seed, low, high
        self._gone: dict[str, int] = {}
        """Root of each tree -> turns of its main session that are left out."""

    @property
    def turns_gone(self) -> int:
        """Of main sessions, over all trees."""
        return sum(self._gone.values())

    def look(self, rows: Iterable[TraceRow]) -> None:
        trees, turns = SessionTrees(), Counter[str]()
        for row in rows:
            root = trees.root(row)
            turns[root] += row.session_id == root
        for root, count in turns.items():
            share = self._low + (self._high - self._low) * stream(self._seed, f"mid-start/{root}").random()
            self._gone[root] = int(count * share)

    def apply(self, rows: Iterable[TraceRow]) -> Iterator[TraceRow]:
        trees, history = SessionTrees(), History()
        cuts = {root: _Cut(gone) for root, gone in self._gone.items()}
        gone: set[str] = set()
        for row in rows:
            root = trees.root(row)
            cut = cuts[root]
            is_main = row.session_id == root
            if is_main:
                cut.seen += 1
            if not cut.gone:
                yield row
            elif cut.seen <= cut.gone:
                gone.add(row.request_id)
                sent = _spoken(row, history)
                cut.last_gone = sent if is_main else cut.last_gone
            else:
                yield from self._kept(row, root, cut, gone)

    def _kept(self, row: TraceRow, root: str, cut: _Cut, gone: set[str]) -> Iterator[TraceRow]:
        waits = tuple(request_id for request_id in row.wait_for if request_id not in gone)
        if not cut.started:
            cut.started, cut.zero_ms = True, row.timestamp_ms or 0.0
            assert cut.last_gone is not None
            yield _warmup(cut.last_gone, root)
        if cut.started and not waits and (row.wait_for or (row.session_id == root and cut.seen == cut.gone + 1)):
            phase = stream(self._seed, f"mid-start/{root}/phase").random()
            row = replace(
                row,
                wait_for=(f"{root}#warmup",),
                delay_ms=None if row.delay_ms is None else round(row.delay_ms * phase, 3),
                tool_wait_ms=None if row.tool_wait_ms is None else round(row.tool_wait_ms * phase, 3),
            )
        elif waits != row.wait_for:
            row = replace(row, wait_for=waits)
        at_ms = row.timestamp_ms
        yield row if at_ms is None else replace(row, timestamp_ms=max(0.0, round(at_ms - cut.zero_ms, 6)))


def _spoken(row: TraceRow, history: History) -> TraceRow:
    """The row with its whole conversation, so that it can stand for all before it."""
    if row.messages_mode != "delta":
        return row
    messages, tools = history.advance(row)
    return replace(row, messages=tuple(messages), messages_mode="full", tools=tools)


def _warmup(last: TraceRow, root: str) -> TraceRow:
    """One token of answer; the recorded answer stays, as part of the session's history."""
    return replace(
        last,
        request_id=f"{root}#warmup",
        request_kind=WARMUP,
        wait_for=(),
        timestamp_ms=None if last.timestamp_ms is None else 0.0,
        delay_ms=None,
        tool_wait_ms=None,
        output_length=1,
        reasoning_length=None,
        output_mode="max" if last.has_content else "exact",
        unknown={},
    )
