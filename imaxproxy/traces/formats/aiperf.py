"""AIPerf's own inputs: single_turn and multi_turn JSONL, and the inputs.json that each of its runs writes.

Its mooncake_trace with `session_id`, `delay`, `messages` and so on is read as canonical: the names are the same.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from imaxproxy.traces.fields import BadRow, Fields, bad_field
from imaxproxy.traces.read_rows import RowReader
from imaxproxy.traces.row import Json, MessagesMode, TraceRow

_UNSUPPORTED = ("audio", "audios", "video", "videos")
_MODALITIES = frozenset({"text", "texts", "image", "images", *_UNSUPPORTED})


def is_aiperf_single_turn(record: Mapping[str, Any]) -> bool:
    return not _MODALITIES.isdisjoint(record) and "turns" not in record and "input_length" not in record


def is_aiperf_multi_turn(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("turns"), list)


def is_aiperf_inputs(record: Mapping[str, Any]) -> bool:
    return record.keys() >= {"session_id", "payloads"}


class SingleTurnReader(RowReader):
    """A `session_id` orders the rows and shares no history; `delay` runs from the end of the row before."""

    def rows(self, record: dict[str, Any], place: int) -> Iterator[TraceRow]:
        fields = Fields(record)
        session = fields.key("session_id") if fields.has("session_id") else None
        yield _turn_row(self, fields, str(place), session, None, "full")


class MultiTurnReader(RowReader):
    """Turns come on top of the session's history; the file has no answers, so history holds the user's side only."""

    def rows(self, record: dict[str, Any], place: int) -> Iterator[TraceRow]:
        fields = Fields(record)
        session = fields.key("session_id") if fields.has("session_id") else str(place)
        turns = fields.objects("turns")
        if not turns:
            raise bad_field("turns", "at least one turn", [])
        for number, turn in enumerate(turns):
            try:
                yield _turn_row(self, Fields(dict(turn)), f"{session}#{number}", session, number, "delta")
            except BadRow as bad:
                raise BadRow(f"turns[{number}]: {bad}") from None


class InputsReader(RowReader):
    """{"data": [{"session_id", "payloads": [...]}]}: whole bodies, each with its own history."""

    def rows(self, record: dict[str, Any], place: int) -> Iterator[TraceRow]:
        fields = Fields(record)
        session = fields.key("session_id")
        payloads = fields.objects("payloads")
        if not payloads:
            raise bad_field("payloads", "at least one request body", [])
        for number, payload in enumerate(payloads):
            yield TraceRow(
                request_id=f"{session}#{number}",
                session_id=session,
                turn=number,
                body=dict(payload),
                unknown=fields.left() if not number else {},
            )


def _turn_row(
    reader: RowReader, fields: Fields, request_id: str, session: str | None, turn: int | None, mode: MessagesMode
) -> TraceRow:
    role, content = fields.name("role") or "user", _content(fields)
    output_length = reader.length(fields, "output_length")
    return TraceRow(
        request_id=request_id,
        session_id=session,
        turn=turn,
        timestamp_ms=fields.ms("timestamp"),
        delay_ms=fields.ms("delay"),
        messages=({"role": role, "content": content},),
        messages_mode=mode,
        output_length=output_length,
        output_mode="natural" if output_length is None else "max",
        model=fields.name("model"),
        extra=fields.mapping("extra") or {},
        unknown=fields.left(),
    )


def _content(fields: Fields) -> str | list[Json]:
    """Text alone stays text; with images, OpenAI's content parts."""
    for name in _UNSUPPORTED:
        if fields.has(name):
            raise BadRow(f"field `{name}`: expected text or images, which is all that this version sends")
    texts = _one_or_many(fields, "text", "texts")
    images = _one_or_many(fields, "image", "images")
    if not texts and not images:
        raise bad_field("text", "text or an image", None)
    if not images and len(texts) == 1:
        return texts[0]
    parts: list[Json] = [{"type": "text", "text": text} for text in texts]
    return parts + [{"type": "image_url", "image_url": {"url": url}} for url in images]


def _one_or_many(fields: Fields, one: str, many: str) -> tuple[str, ...]:
    single = fields.text(one)
    several = fields.texts(many)
    if single is not None and several:
        raise BadRow(f"field `{many}`: expected either `{one}` or `{many}`, found both")
    return several if single is None else (single,)
