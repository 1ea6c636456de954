"""Leaving rows out of a trace without tearing it: who waited for them, waits for what they had waited for."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from imaxproxy.traces.history import recorded_answer
from imaxproxy.traces.row import Json, TraceRow


@dataclass(frozen=True, slots=True)
class _Gone:
    """What is left of a row that is left out."""

    wait_for: tuple[str, ...]
    took_ms: float
    """Its wait and its recorded run time, its own predecessors' that are gone included."""


class LeaveOut:
    """Drops the rows that `leaves` names and mends the rest; one pass, in file order.

    The timeline stays: the wait and the recorded run time of a row that is gone are added to the delay of the rows
    behind it. In a session of message deltas its messages and answer go into the next row's.
    """

    def __init__(self, leaves: Callable[[TraceRow], bool]) -> None:
        self._leaves = leaves
        self._start_over()

    def _start_over(self) -> None:
        self._gone: dict[str, _Gone] = {}
        self._owed_ms: dict[str, float] = {}
        self._last_kept: dict[str, str] = {}
        self._owed_messages: dict[str, list[Json]] = {}
        self.rows = 0
        """Left out so far."""

    def apply(self, rows: Iterable[TraceRow]) -> Iterator[TraceRow]:
        self._start_over()
        for row in rows:
            if self._leaves(row):
                self._drop(row)
            else:
                yield self._mended(row)

    def _drop(self, row: TraceRow) -> None:
        self.rows += 1
        waits, owed_ms = self._resolved(row)
        took_ms = owed_ms + row.wait_ms + float(row.recorded.get("e2e_ms") or 0.0)
        self._gone[row.request_id] = _Gone(waits, took_ms)
        if row.session_id is None:
            return
        self._owed_ms[row.session_id] = took_ms
        if row.messages_mode == "delta":
            self._owed_messages.setdefault(row.session_id, []).extend([*row.messages, *recorded_answer(row)])

    def _mended(self, row: TraceRow) -> TraceRow:
        waits, owed_ms = self._resolved(row)
        messages = self._owed_messages.pop(row.session_id, []) if row.session_id is not None else []
        if row.session_id is not None:
            self._owed_ms.pop(row.session_id, None)
            self._last_kept[row.session_id] = row.request_id
        if waits == row.wait_for and not owed_ms and not messages:
            return row
        return replace(
            row,
            wait_for=waits,
            delay_ms=(row.delay_ms or 0.0) + owed_ms if owed_ms else row.delay_ms,
            messages=(*messages, *row.messages),
        )

    def _resolved(self, row: TraceRow) -> tuple[tuple[str, ...], float]:
        """What is left to wait for, and the time that those took which are gone."""
        if not row.wait_for:  # the row before in its session: order stays, its time is owed
            return (), self._owed_ms.get(row.session_id or "", 0.0)
        waits: list[str] = []
        owed_ms = 0.0
        for request_id in row.wait_for:
            gone = self._gone.get(request_id)
            for each in (request_id,) if gone is None else self._left_of(gone, row):
                if each not in waits:
                    waits.append(each)
            owed_ms = max(owed_ms, 0.0 if gone is None else gone.took_ms)
        return tuple(waits), owed_ms

    def _left_of(self, gone: _Gone, row: TraceRow) -> tuple[str, ...]:
        if gone.wait_for:
            return gone.wait_for
        kept = self._last_kept.get(row.session_id or "")
        return () if kept is None else (kept,)
