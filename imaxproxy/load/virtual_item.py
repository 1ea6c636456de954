"""A row on its way in virtual time, and what is remembered of those that have ended."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.load.player import REMEMBERED
from imaxproxy.load.virtual_request import VirtualRequest
from imaxproxy.metrics import WARMUP, Ask
from imaxproxy.sim import VirtualStream
from imaxproxy.traces import TraceRow
from imaxproxy.wire import DIALECTS


@dataclass(slots=True, eq=False)
class VirtualItem:
    """A row on its way."""

    row: TraceRow
    offset_ns: int | None
    previous: str | None
    wait_for: tuple[str, ...]
    missing: set[str]
    due_ns: int = 0
    request: VirtualRequest | None = None
    stream: VirtualStream | None = None
    """While it is in flight."""

    def ask(self, *, is_scheduled: bool) -> Ask:
        """The request's side of an Exchange; `is_scheduled`: of an open loop."""
        request, row = self.request, self.row
        assert request is not None
        return Ask(
            request_id=row.request_id,
            path=request.path,
            started_ns=self.due_ns,
            sent_ns=self.due_ns,
            scheduled_ns=self.due_ns if is_scheduled else None,
            dialect=_dialect(request.path),
            session_id=row.session_id,
            planned_input_tokens=request.input_tokens or None,
            planned_output_tokens=row.output_length,
            kind=WARMUP if row.request_kind == WARMUP else None,
        )

    def ask_unsent(self, path: str, now_ns: int) -> Ask:
        """The same of a request that was never made, since what it waits for never ended."""
        row = self.row
        return Ask(
            row.request_id,
            path,
            now_ns,
            dialect=_dialect(path),
            session_id=row.session_id,
            kind=WARMUP if row.request_kind == WARMUP else None,
        )


def _dialect(path: str) -> str | None:
    return DIALECTS[path].name if path in DIALECTS else None


@dataclass(slots=True)
class Memory:
    """What is kept of requests that have ended, for those that wait for them."""

    ended_at_ns: OrderedDict[str, int] = field(default_factory=OrderedDict)  # a dict's first key costs its dead ones
    last_of_session: dict[str, str] = field(default_factory=dict)
    answers: dict[str, dict[str, Any] | None] = field(default_factory=dict)

    def end(self, request_id: str, now_ns: int) -> None:
        if len(self.ended_at_ns) >= REMEMBERED:
            self.ended_at_ns.popitem(last=False)
        self.ended_at_ns[request_id] = now_ns

    def item(self, offset_ns: int | None, row: TraceRow, *, live: bool) -> VirtualItem:
        """A row in its place: what it follows, and what of that has not ended. live: turns need what was answered."""
        previous = None
        if row.session_id is not None:
            previous = self.last_of_session.get(row.session_id)
            self.last_of_session[row.session_id] = row.request_id
        wait_for = row.wait_for or ((previous,) if previous is not None else ())
        behind = set(wait_for)
        if live and row.messages and previous is not None:
            behind.add(previous)
        return VirtualItem(
            row, offset_ns, previous, wait_for, {name for name in behind if name not in self.ended_at_ns}
        )
