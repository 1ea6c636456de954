"""LMCache's agent traces (LMCache/lmcache-agent-trace): each model call's whole prompt and answer as text.

Stamps are unix microseconds. Several agents may take turns in one session, and their rows need not be in time order.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from imaxproxy.traces.fields import MAX_MS, Fields, bad_field
from imaxproxy.traces.read_rows import RowReader
from imaxproxy.traces.row import TraceRow

_ROWS_SORTED = 64
"""So many rows are held to be put in time order; the published files are out of order by one."""


def is_lmcache(record: Mapping[str, Any]) -> bool:
    return record.keys() >= {"timestamp", "input", "output", "session_id"} and isinstance(record["input"], str)


class LmcacheReader(RowReader):
    """The prompt is sent as one user's text: the trace has no roles. Stamps stay unix time, in ms."""

    def __init__(self, header: Mapping[str, Any] | None = None) -> None:
        super().__init__(header)
        self._held: list[tuple[float, int, dict[str, Any]]] = []
        self._turns: dict[str, int] = {}

    def rows(self, record: dict[str, Any], place: int) -> Iterator[TraceRow]:
        heapq.heappush(self._held, (_at_ms(record), place, _checked(record)))
        if len(self._held) > _ROWS_SORTED:
            yield self._next()

    def end(self) -> Iterable[TraceRow]:
        while self._held:
            yield self._next()

    def _next(self) -> TraceRow:
        at_ms, _, record = heapq.heappop(self._held)
        fields = Fields(record)
        session = fields.key("session_id")
        turn = self._turns[session] = self._turns.get(session, -1) + 1
        return TraceRow(
            request_id=f"{session}#{turn}",
            session_id=session,
            turn=turn,
            timestamp_ms=at_ms,
            text_input=fields.text("input"),
            recorded={"response": {"text": fields.text("output")}},
            unknown=fields.left(),
        )


def _at_ms(record: dict[str, Any]) -> float:
    at_us = record.pop("timestamp", None)
    if type(at_us) not in (int, float) or not 0 <= at_us <= MAX_MS * 1000:
        raise bad_field("timestamp", "unix microseconds", at_us)
    return float(at_us) / 1000


def _checked(record: dict[str, Any]) -> dict[str, Any]:
    """Complains while the line is known, not when the row is taken from the heap."""
    fields = Fields(dict(record))
    for name in ("input", "output"):
        if fields.text(name) is None:
            raise bad_field(name, "text", None)
    fields.key("session_id")
    return record
