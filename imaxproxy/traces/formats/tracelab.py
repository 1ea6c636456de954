"""TraceLab (uw-syfi/TraceLab): rounds of Claude Code and Codex sessions, as its corpus and as its replay CSV.

There are no hashes: of each prompt the first tokens were cached, the rest is new.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from imaxproxy.traces.fields import Fields, bad_field
from imaxproxy.traces.read_rows import RowPerRecord
from imaxproxy.traces.row import TraceRow

_COMES_IN = ("user_message", "tool_result")
_GOES_OUT = ("reasoning", "text", "tool_call")


def is_tracelab(record: Mapping[str, Any]) -> bool:
    return record.keys() >= {"session_id", "round_index", "input_tokens_total", "prefix_tokens"}


def is_tracelab_csv(record: Mapping[str, Any]) -> bool:
    return record.keys() >= {"session_id", "round_idx", "prefix_len", "input_len", "output_len"}


class TraceLabReader(RowPerRecord):
    """A round starts when the last of its inputs has come, and ends with the last that the model wrote.

    Stamps stay unix time, in ms. The wait after tools is `tool_wait_ms`, the wait for a user is `delay`.
    """

    def __init__(self, header: Mapping[str, Any] | None = None) -> None:
        super().__init__(header)
        self._ended_ms: dict[str, float] = {}

    def row(self, record: dict[str, Any], line: int) -> TraceRow:
        fields = Fields(record)
        session, turn = fields.key("session_id"), fields.whole("round_index", 0, 2**31)
        input_length, prefix = fields.tokens("input_tokens_total"), fields.tokens("prefix_tokens") or 0
        if input_length is None:
            raise bad_field("input_tokens_total", "a whole number of tokens", None)
        if prefix > input_length:
            raise bad_field("prefix_tokens", f"at most `input_tokens_total` {input_length}", prefix)
        times = _Times(fields.objects("timing_events"))
        wait_ms = self._wait_ms(session, times)
        output_length = self.length(fields, "output_tokens")
        called = fields.objects("tools")  # calls that ran; a row's own `tools` are those on offer, and would be sent
        return TraceRow(
            request_id=f"{session}#{turn if turn is not None else line}",
            session_id=session,
            turn=turn,
            timestamp_ms=times.start_ms,
            delay_ms=None if times.after_tools else wait_ms,
            tool_wait_ms=wait_ms if times.after_tools else None,
            input_length=self.clamp(input_length),
            output_length=output_length,
            reasoning_length=_at_most(fields.tokens("reasoning_output_tokens"), output_length),
            prefix_length=prefix,
            model=fields.name("model"),
            recorded=times.recorded() | ({"tool_calls": list(called)} if called else {}),
            unknown=fields.left(),
        )

    def _wait_ms(self, session: str, times: "_Times") -> float | None:
        """End to start: from what the model last wrote to the last of the inputs."""
        ended_ms = self._ended_ms.get(session)
        if times.end_ms is not None:
            self._ended_ms[session] = times.end_ms
        if ended_ms is None or times.start_ms is None:
            return None
        return max(0.0, round(times.start_ms - ended_ms, 3))


class TraceLabCsvReader(RowPerRecord):
    """`input_len` is new tokens on top of `prefix_len`. `tool_wait_after_ms` is carried to the session's next round."""

    def __init__(self, header: Mapping[str, Any] | None = None) -> None:
        super().__init__(header)
        self._wait_after_ms: dict[str, float | None] = {}

    def row(self, record: dict[str, Any], line: int) -> TraceRow:
        fields = Fields(record)
        session, turn = fields.key("session_id"), fields.whole("round_idx", 0, 2**31)
        prefix, added = fields.tokens("prefix_len"), fields.tokens("input_len")
        if prefix is None or added is None:
            raise bad_field("prefix_len" if prefix is None else "input_len", "a whole number of tokens", None)
        wait_ms = self._wait_after_ms.get(session)
        self._wait_after_ms[session] = fields.ms("tool_wait_after_ms")
        return TraceRow(
            request_id=f"{session}#{turn if turn is not None else line}",
            session_id=session,
            turn=turn,
            timestamp_ms=fields.ms("arrival_time"),
            tool_wait_ms=wait_ms,
            input_length=self.clamp(prefix + added),
            output_length=self.length(fields, "output_len"),
            prefix_length=prefix,
            unknown=fields.left(),
        )


class _Times:
    """When a round started and ended, in unix ms, from its events in their order."""

    def __init__(self, events: tuple[dict[str, Any], ...]) -> None:
        came = [_unix_ms(event) for event in events if event.get("event_type") in _COMES_IN]
        wrote = [_unix_ms(event) for event in events if event.get("event_type") in _GOES_OUT]
        self.after_tools = any(event.get("event_type") == "tool_result" for event in events)
        self.start_ms = max(came, default=None)
        self.first_ms = min(wrote, default=None)
        self.end_ms = max(wrote, default=None)

    def recorded(self) -> dict[str, Any]:
        if self.start_ms is None or self.end_ms is None or self.first_ms is None or self.first_ms < self.start_ms:
            return {}
        return {
            "started_at": self.start_ms / 1000,
            "e2e_ms": round(self.end_ms - self.start_ms, 3),
        }


def _unix_ms(event: Mapping[str, Any]) -> float:
    try:
        return datetime.fromisoformat(event["timestamp"]).timestamp() * 1000
    except (KeyError, TypeError, ValueError):
        raise bad_field("timing_events[].timestamp", "an ISO 8601 time", event.get("timestamp")) from None


def _at_most(length: int | None, limit: int | None) -> int | None:
    return length if length is None or limit is None else min(length, limit)
