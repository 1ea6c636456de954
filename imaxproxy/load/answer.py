"""What an engine said, put together again from its bytes: the next turn of a live conversation is built on it."""

from typing import Any

import orjson

from imaxproxy.errors import WireError
from imaxproxy.wire import ResponseHead
from imaxproxy.wire.sse import EventSplitter, event_data


class Answer:
    """Keeps the reads of one response body; `message` makes of them what the engine has said."""

    def __init__(self) -> None:
        self.reads: list[bytes] = []
        self._head: ResponseHead | None = None

    def begin(self, head: ResponseHead) -> None:
        """The response's head has come."""
        self._head = head

    def message(self) -> dict[str, Any] | None:
        """The assistant's message as a client would put it into its history: without reasoning, with tool calls.

        Of a stream that was cut, what had come of it. None where there is nothing that could be sent again.
        """
        if self._head is None:
            return None
        try:
            body = self._head.framing("POST").feed(b"".join(self.reads))
            if self._head.content_type == b"text/event-stream":
                return _joined(EventSplitter().feed(body))
            return _choice(orjson.loads(body), "message")
        except (WireError, orjson.JSONDecodeError, AttributeError, TypeError, KeyError, IndexError):
            return None  # the Exchange has the failure; here there is only nothing to go on with


def _joined(events: list[bytes]) -> dict[str, Any] | None:
    texts: list[str] = []
    calls: dict[int, dict[str, Any]] = {}
    for event in events:
        payload = event_data(event)
        if payload is None or payload == b"[DONE]":
            continue
        chunk = orjson.loads(payload)
        choice = (chunk.get("choices") or [{}])[0]
        delta = choice.get("delta") or {}
        texts.append(delta.get("content") or choice.get("text") or "")
        for call in delta.get("tool_calls") or ():
            _add_call(calls, call)
    return _message("".join(texts), [calls[index] for index in sorted(calls)])


def _add_call(calls: dict[int, dict[str, Any]], part: dict[str, Any]) -> None:
    """Streams name a call once and send its arguments in pieces."""
    call = calls.setdefault(
        part.get("index", 0), {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
    )
    call["id"] = call["id"] or part.get("id") or ""
    function = part.get("function") or {}
    for key in ("name", "arguments"):
        call["function"][key] += function.get(key) or ""


def _choice(body: dict[str, Any], key: str) -> dict[str, Any] | None:
    choice = body["choices"][0]
    message = choice.get(key) or {}
    return _message(message.get("content") or choice.get("text") or "", message.get("tool_calls") or [])


def _message(content: str, calls: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not content and not calls:
        return None
    return {"role": "assistant", "content": content, **({"tool_calls": calls} if calls else {})}
