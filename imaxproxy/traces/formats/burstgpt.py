"""BurstGPT (HPMLL/BurstGPT): CSV of ChatGPT and GPT-4 traffic, stamps in seconds; newer files have sessions."""

from collections.abc import Iterable, Mapping
from typing import Any

from imaxproxy.traces.fields import Fields, bad_field
from imaxproxy.traces.read_rows import RowReader
from imaxproxy.traces.row import TraceRow

FAILED = "requests that failed when they were recorded (no response tokens)"


def is_burstgpt(record: Mapping[str, Any]) -> bool:
    return record.keys() >= {"Timestamp", "Request tokens", "Response tokens"}


class BurstGptReader(RowReader):
    """A failed request stands in the file with no response tokens; it is left out, and counted."""

    def __init__(self, header: Mapping[str, Any] | None = None) -> None:
        super().__init__(header)
        self._turns: dict[str, int] = {}

    def rows(self, record: dict[str, Any], place: int) -> Iterable[TraceRow]:
        fields = Fields(record)
        at_ms = fields.seconds_as_ms("Timestamp")
        request_tokens, response_tokens = _tokens(fields, "Request tokens"), _tokens(fields, "Response tokens")
        session = fields.key("Session ID") if fields.has("Session ID") else None
        if not response_tokens:
            self.left_out[FAILED] += 1
            return
        elapsed_ms = fields.seconds_as_ms("Elapsed time")
        yield TraceRow(
            request_id=str(place),
            session_id=session,
            turn=self._next_turn(session),
            timestamp_ms=at_ms,
            input_length=self.clamp(request_tokens),
            output_length=response_tokens,
            model=fields.name("Model"),
            tags={"log_type": fields.name("Log Type")} if fields.has("Log Type") else {},
            recorded={} if elapsed_ms is None else {"e2e_ms": elapsed_ms},
            unknown={name: value for name, value in fields.left().items() if name not in ("Total tokens", "Log Type")},
        )

    def _next_turn(self, session: str | None) -> int | None:
        if session is None:
            return None
        turn = self._turns[session] = self._turns.get(session, -1) + 1
        return turn


def _tokens(fields: Fields, name: str) -> int:
    length = fields.tokens(name)
    if length is None:
        raise bad_field(name, "a whole number of tokens", None)
    return length
