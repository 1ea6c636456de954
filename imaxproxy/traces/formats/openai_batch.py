"""OpenAI's Batch input, and plain files of recorded request bodies (AIPerf's raw_payload): no times, whole requests."""

from collections.abc import Mapping
from typing import Any

from imaxproxy.traces.canonical import CanonicalReader
from imaxproxy.traces.fields import bad_field
from imaxproxy.traces.read_rows import RowPerRecord
from imaxproxy.traces.row import TraceRow

_ONLY_IN_BODIES = frozenset(
    {"max_tokens", "max_completion_tokens", "stream", "temperature", "top_p", "stop", "seed", "n", "response_format"}
)


def is_openai_batch(record: Mapping[str, Any]) -> bool:
    return record.keys() >= {"custom_id", "url", "body"}


def is_openai_body(record: Mapping[str, Any]) -> bool:
    asks = isinstance(record.get("messages"), list) or isinstance(record.get("prompt"), str | list)
    return asks and "model" in record and not record.keys().isdisjoint(_ONLY_IN_BODIES)


class OpenAiBatchReader(RowPerRecord):
    """{"custom_id", "method", "url", "body"}: the canonical row has the same fields, the id under another name."""

    def __init__(self, header: Mapping[str, Any] | None = None) -> None:
        super().__init__(header)
        self._canonical = CanonicalReader({})

    def row(self, record: dict[str, Any], line: int) -> TraceRow:
        if not isinstance(record.get("body"), dict):
            raise bad_field("body", "an OpenAI request", record.get("body"))
        return self._canonical.row(record, line)


class OpenAiBodyReader(RowPerRecord):
    """The record is the request's body, sent as it stands but for the model."""

    def row(self, record: dict[str, Any], line: int) -> TraceRow:
        messages, prompt = record.get("messages"), record.get("prompt")
        if messages is None and prompt is None:
            raise bad_field("messages", "a conversation, or a `prompt`", None)
        if messages is not None and not (isinstance(messages, list) and all(isinstance(one, dict) for one in messages)):
            raise bad_field("messages", "a list of messages", messages)
        if prompt is not None and not isinstance(prompt, str | list):
            raise bad_field("prompt", "text or token ids", prompt)
        return TraceRow(request_id=str(line), body=record)
