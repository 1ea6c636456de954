"""OpenTelemetry GenAI spans as inference-perf replays them (kubernetes-sigs/inference-perf): one JSON object a session.

Which call waited for which is not recorded. A call whose input quotes the answer of an earlier one waited for it;
one that quotes nobody waited for what was done when it began (inference-perf's causal and temporal edges).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from imaxproxy.traces.fields import BadRow, Fields, bad_field
from imaxproxy.traces.read_rows import RowReader
from imaxproxy.traces.row import Json, TraceRow

NO_MODEL_CALL = "spans that are no model call"
_SAMPLING = ("max_tokens", "temperature", "top_p")


def is_otel(record: Mapping[str, Any]) -> bool:
    spans = record.get("spans")
    return isinstance(spans, list) and all(isinstance(span, dict) and "span_id" in span for span in spans)


class OtelReader(RowReader):
    """Calls that ran side by side get sessions of their own, children of the first; `wait_for` forks and joins them."""

    def rows(self, record: dict[str, Any], place: int) -> Iterable[TraceRow]:
        fields = Fields(record)
        trace_id = fields.key("trace_id")
        calls = []
        for number, span in enumerate(fields.objects("spans")):
            try:
                call = _Call.parse(span)
            except BadRow as bad:
                raise BadRow(f"spans[{number}]: {bad}") from None
            if call is None:
                self.left_out[NO_MODEL_CALL] += 1
            else:
                calls.append(call)
        calls.sort(key=lambda call: call.start_ms)
        for name in ("span_count", "collected_at"):
            record.pop(name, None)
        return list(_rows(trace_id, calls, fields.left()))


@dataclass
class _Call:
    """One model call of the session."""

    span_id: str
    start_ms: float
    end_ms: float
    model: str | None
    messages: tuple[Json, ...]
    answer: str
    usage: dict[str, int]
    extra: Json

    @classmethod
    def parse(cls, span: dict[str, Any]) -> "_Call | None":
        attributes = span.get("attributes")
        if not isinstance(attributes, dict) or "gen_ai.input.messages" not in attributes:
            return None
        fields, said = Fields(dict(span)), Fields(dict(attributes))
        start_ms, end_ms = _unix_ms(fields, "start_time"), _unix_ms(fields, "end_time")
        if end_ms < start_ms:
            raise bad_field("end_time", "a time after `start_time`", span.get("end_time"))
        messages = _messages(said.left().pop("gen_ai.input.messages"), "gen_ai.input.messages")
        if not messages:
            raise bad_field("gen_ai.input.messages", "at least one message", [])
        usage = {
            name: count
            for name, key in (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))
            if (count := said.tokens(f"gen_ai.usage.{key}")) is not None
        }
        return cls(
            span_id=fields.key("span_id"),
            start_ms=start_ms,
            end_ms=end_ms,
            model=said.name("gen_ai.request.model"),
            messages=tuple(messages),
            answer=_answer(said),
            usage=usage,
            extra={
                name: value for name in _SAMPLING if (value := said.left().get(f"gen_ai.request.{name}")) is not None
            },
        )

    def quotes(self, other: "_Call") -> bool:
        return bool(other.answer) and any(
            message.get("role") == "assistant" and message.get("content") == other.answer for message in self.messages
        )


def _rows(trace_id: str, calls: list[_Call], unknown: Json) -> Iterator[TraceRow]:
    lanes = _Lanes(trace_id)
    waited_by: dict[str, list[_Call]] = {}
    for number, call in enumerate(calls):
        waits = waited_by[call.span_id] = _waits(call, calls[:number], waited_by)
        session, turn = lanes.place(call, waits)
        ended_ms = max((before.end_ms for before in waits), default=None)
        yield TraceRow(
            request_id=f"{trace_id}/{call.span_id}",
            session_id=session,
            turn=turn,
            parent_session_id=None if session == trace_id else trace_id,
            wait_for=tuple(f"{trace_id}/{before.span_id}" for before in waits),
            timestamp_ms=call.start_ms,
            delay_ms=None if ended_ms is None else round(call.start_ms - ended_ms, 3),
            input_length=call.usage.get("prompt_tokens") or None,
            output_length=call.usage.get("completion_tokens") or None,
            messages=call.messages,
            model=call.model,
            extra=call.extra,
            recorded=_recorded(call),
            unknown=unknown if not number else {},
        )


def _waits(call: _Call, earlier: list[_Call], waited_by: Mapping[str, list[_Call]]) -> list[_Call]:
    """What it quotes; else the latest of what had ended: those that no other ended call had itself waited for."""
    ended = [before for before in earlier if before.end_ms <= call.start_ms]
    quoted = [before for before in ended if call.quotes(before)]
    candidates = quoted or ended
    passed = {each.span_id for before in candidates for each in waited_by[before.span_id]}
    return [before for before in candidates if before.span_id not in passed]


class _Lanes:
    """Sessions in which calls run one at a time: a call goes on in the lane of the one that it waited for last."""

    def __init__(self, trace_id: str) -> None:
        self._trace_id = trace_id
        self._last: dict[str, tuple[str, int]] = {}
        """Lane -> the span that ended it so far, and its turn."""

    def place(self, call: _Call, waits: list[_Call]) -> tuple[str, int]:
        awaited = {before.span_id for before in waits}
        lane = next((lane for lane, (span_id, _) in self._last.items() if span_id in awaited), None)
        if lane is None:
            lane = f"{self._trace_id}/lane-{len(self._last) + 1}" if self._last else self._trace_id
        turn = self._last[lane][1] + 1 if lane in self._last else 0
        self._last[lane] = (call.span_id, turn)
        return lane, turn


def _recorded(call: _Call) -> Json:
    recorded: Json = {"started_at": call.start_ms / 1000, "e2e_ms": round(call.end_ms - call.start_ms, 3)}
    if call.usage:
        recorded["usage"] = call.usage
    if call.answer:
        recorded["response"] = {"text": call.answer}
    return recorded


def _answer(said: Fields) -> str:
    text = said.text("gen_ai.output.text")
    if text is not None or not said.has("gen_ai.output.messages"):
        return text or ""
    messages = _messages(said.left().pop("gen_ai.output.messages"), "gen_ai.output.messages")
    return "\n\n".join(str(message["content"]) for message in messages if message.get("content"))


def _messages(found: object, name: str) -> list[Json]:
    """A list of messages, or the same as a JSON string; the convention's `parts` become plain content."""
    try:
        messages = orjson.loads(found) if isinstance(found, str) else found
    except orjson.JSONDecodeError:
        raise bad_field(name, "a JSON list of messages", found) from None
    if not isinstance(messages, list) or not all(isinstance(each, dict) and "role" in each for each in messages):
        raise bad_field(name, "a list of messages with a `role` each", messages)
    return [_with_content(message) for message in messages]


def _with_content(message: Json) -> Json:
    parts = message.get("parts")
    if "content" in message or not isinstance(parts, list):
        return message
    texts = [part["content"] for part in parts if isinstance(part, dict) and isinstance(part.get("content"), str)]
    others = {key: value for key, value in message.items() if key != "parts"}
    return {**others, "content": "\n\n".join(texts)}


def _unix_ms(fields: Fields, name: str) -> float:
    """ISO 8601; without a zone it is UTC, as the exporter writes it."""
    found = fields.text(name)
    try:
        at = datetime.fromisoformat(found or "")
    except ValueError:
        raise bad_field(name, "an ISO 8601 time", found) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000
