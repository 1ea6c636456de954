"""Starting sessions in mid-trajectory, as InferenceX's AgentX does: caches warm and phases mixed, as in a long run.

Of each session tree the first part is left out. One request of a single output token stands for it: it carries the
prompt of the last turn that is gone, so that the engine holds in cache what it would have held.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace

from imaxproxy.errors import UsageError
from imaxproxy.metrics import WARMUP
from imaxproxy.traces.history import History
from imaxproxy.traces.row import TraceRow
from imaxproxy.traces.seed import stream
from imaxproxy.traces.session_tree import SessionTrees


@dataclass
class _Cut:
    """One tree: how many turns of its main session are left out, and how far a pass over its rows has come."""

    gone: int
    advances: int
    seen: int = 0
    last_gone: TraceRow | None = None
    started: bool = False
    zero_ms: float | None = None


class MidStart:
    """Two passes: `look` at all rows, then `apply` to them again.

    advances: so many turns more of each main session, and what its sub-agents do meanwhile, are asked for one token
    each, without their waits (InferenceX's warm-up requests of a lane): they belong to the warm-up too. At least one
    turn of each session is left.
    """

    def __init__(self, seed: int, low: float = 0.25, high: float = 0.75, advances: int = 0) -> None:
        if not 0 <= low <= high < 1:
            raise UsageError(f"--mid-start must be two shares LOW:HIGH from 0 to below 1, not {low:g}:{high:g}")
        self._seed, self._low, self._high, self._advances = seed, low, high, advances
        self._turns = Counter[str]()
        """Root of each tree -> turns of its main session."""

    @property
    def turns_gone(self) -> int:
        """Of main sessions, over all trees."""
        return sum(self.gone(root) for root in self._turns)

    def look(self, rows: Iterable[TraceRow]) -> None:
        trees = SessionTrees()
        for row in rows:
            self.add(row, trees.root(row))

    def add(self, row: TraceRow, root: str) -> None:
        """One row of `look`, whose tree is known."""
        self._turns[root] += row.session_id == root

    def gone(self, root: str) -> int:
        """Turns of this tree's main session that are left out: drawn by its name."""
        share = self._low + (self._high - self._low) * stream(self._seed, f"mid-start/{root}").random()
        return int(self._turns[root] * share)

    def advances(self, root: str) -> int:
        """Turns that are asked for one token each."""
        return max(0, min(self._advances, self._turns[root] - 1 - self.gone(root)))

    def apply(self, rows: Iterable[TraceRow], only: Container[str] | None = None) -> Iterator[TraceRow]:
        """The rows of all trees, those of `only` (by default all) from their middle on."""
        trees, history = SessionTrees(), History()
        cuts: dict[str, _Cut] = {}
        gone: set[str] = set()
        for row in rows:
            root = trees.root(row)
            if only is not None and root not in only:
                yield row
                continue
            cut = cuts.setdefault(root, _Cut(self.gone(root), self.advances(root)))
            is_main = row.session_id == root
            cut.seen += is_main
            if cut.gone and cut.seen <= cut.gone:
                gone.add(row.request_id)
                sent = _spoken(row, history)
                cut.last_gone = sent if is_main else cut.last_gone
            else:
                yield from self._kept(row, root, cut, gone)

    def _kept(self, row: TraceRow, root: str, cut: _Cut, gone: set[str]) -> Iterator[TraceRow]:
        waits = tuple(request_id for request_id in row.wait_for if request_id not in gone)
        is_first = not cut.started and row.session_id == root
        if not cut.started and cut.last_gone is not None:
            yield _warmup(cut.last_gone, root)
        cut.started = True
        if cut.last_gone is not None and not waits and (row.wait_for or is_first):
            waits = (primer_id(root),)
            row = self._in_phase(row, root)
        row = row if waits == row.wait_for else replace(row, wait_for=waits)
        if cut.seen <= cut.gone + cut.advances:
            yield _asked_for_a_token(row)
            return
        if row.timestamp_ms is not None:
            cut.zero_ms = row.timestamp_ms if cut.zero_ms is None else cut.zero_ms
            if cut.gone or cut.advances:
                row = replace(row, timestamp_ms=max(0.0, round(row.timestamp_ms - cut.zero_ms, 6)))
        if cut.advances and _is_main_first(row, root, cut):
            row = self._in_phase(row, root)
        yield row

    def _in_phase(self, row: TraceRow, root: str) -> TraceRow:
        """The row somewhere within its wait: else all sessions would stand at the end of a request."""
        phase = stream(self._seed, f"mid-start/{root}/phase").random()
        return replace(
            row,
            delay_ms=None if row.delay_ms is None else round(row.delay_ms * phase, 3),
            tool_wait_ms=None if row.tool_wait_ms is None else round(row.tool_wait_ms * phase, 3),
        )


def primer_id(root: str) -> str:
    """The request that stands for all of this tree that is left out."""
    return f"{root}#warmup"


def _is_main_first(row: TraceRow, root: str, cut: _Cut) -> bool:
    """The first turn of the main session that is measured."""
    return row.session_id == root and cut.seen == cut.gone + cut.advances + 1


def _spoken(row: TraceRow, history: History) -> TraceRow:
    """The row with its whole conversation, so that it can stand for all before it."""
    if row.messages_mode != "delta":
        return row
    messages, tools = history.advance(row)
    return replace(row, messages=tuple(messages), messages_mode="full", tools=tools)


def _warmup(last: TraceRow, root: str) -> TraceRow:
    """The recorded answer stays, as part of the session's history."""
    primer = replace(last, request_id=primer_id(root), wait_for=(), unknown={})
    return replace(_asked_for_a_token(primer), timestamp_ms=None if last.timestamp_ms is None else 0.0)


def _asked_for_a_token(row: TraceRow) -> TraceRow:
    """The prompt fills the cache; the answer's length is no part of that."""
    return replace(
        row,
        request_kind=WARMUP,
        timestamp_ms=None if row.timestamp_ms is None else 0.0,
        delay_ms=None,
        tool_wait_ms=None,
        output_length=1,
        reasoning_length=None,
        output_mode="max" if row.has_content else "exact",
        cancel_after_tokens=None,
        cancel_after_ms=None,
    )
