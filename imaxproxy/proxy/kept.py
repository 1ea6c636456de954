"""A response's bytes kept aside, for `--capture full` only."""

from contextlib import suppress
from typing import Any

import orjson

from imaxproxy.errors import WireError
from imaxproxy.metrics import REASONING
from imaxproxy.wire import Dialect, ResponseHead
from imaxproxy.wire.dialect import Facts
from imaxproxy.wire.sse import EventSplitter, event_data

MOST_BYTES = 4 << 20


class Kept:
    """What an engine answered, up to a limit."""

    def __init__(self, head: ResponseHead, method: str) -> None:
        self._streamed = head.content_type == b"text/event-stream"
        self._framing = head.framing(method)
        self._data = bytearray()
        self._too_long = False

    def take(self, data: bytes) -> None:
        if len(self._data) + len(data) > MOST_BYTES:
            self._too_long = True
        else:
            self._data += data

    def response(self, dialect: Dialect) -> dict[str, Any] | None:
        """Its text, as `recorded.response`; None where it was too long, or is no answer of this API."""
        if self._too_long:
            return None
        with suppress(WireError, ValueError, TypeError, AttributeError, KeyError, LookupError):
            body = self._framing.feed(bytes(self._data))
            return _streamed_text(body, dialect) if self._streamed else _whole_answer(body)
        return None


def _streamed_text(body: bytes, dialect: Dialect) -> dict[str, Any]:
    texts: dict[bool, list[str]] = {True: [], False: []}
    facts = Facts()
    for event in EventSplitter().feed(body):
        data = event_data(event)
        if data and data != b"[DONE]":
            kind, text, _ = dialect.read_event(orjson.loads(data), facts)
            texts[kind == REASONING].append(text)
    response: dict[str, Any] = {"text": "".join(texts[False])}
    return response | ({"reasoning": "".join(texts[True])} if any(texts[True]) else {})


def _whole_answer(body: bytes) -> dict[str, Any]:
    """Of a chat its message, which a replay can put into a history; of others the whole object."""
    answer = orjson.loads(body)
    choices = answer.get("choices") or [{}]
    return {"message": choices[0]["message"]} if "message" in choices[0] else {"body": answer}
