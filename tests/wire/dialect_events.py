"""The same little story in each dialect: a token, an end, a terminator, an error. For tests of how streams end."""

from dataclasses import dataclass

import orjson

from imaxproxy.metrics import Ask, Exchange
from imaxproxy.wire import CHAT, COMPLETIONS, MESSAGES, RESPONSES, Dialect, HeadReader, Reception
from wire.streams import chunk, feed

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
ERROR = {"message": "boom", "type": "InternalServerError", "code": 500}


def event(value: object, name: str = "") -> bytes:
    line = b"event: %b\n" % name.encode() if name else b""
    return line + b"data: " + (value if isinstance(value, bytes) else orjson.dumps(value)) + b"\n\n"


def named(name: str, **members: object) -> bytes:
    return event({"type": name, **members}, name)


@dataclass(frozen=True)
class Story:
    """What an engine writes."""

    dialect: Dialect
    opening: bytes
    token: bytes
    finish: bytes
    """With usage of 2 tokens; a dialect that asks for usage sends it behind this."""
    usage: bytes
    done: bytes
    error: bytes

    def __str__(self) -> str:
        return self.dialect.name

    @property
    def whole(self) -> list[bytes]:
        return [event for event in (self.opening, self.token, self.token, self.finish, self.usage, self.done) if event]


def _openai(dialect: Dialect, **text: object) -> Story:
    def choice(finish: str | None, **more: object) -> bytes:
        return event({"model": "m", "choices": [{"index": 0, **more, "finish_reason": finish}]})

    empty = {"delta": {}} if dialect is CHAT else {"text": ""}
    role = {"delta": {"role": "assistant", "content": ""}} if dialect is CHAT else {"text": ""}
    usage = event({"model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
    error = event({"error": ERROR})
    return Story(dialect, choice(None, **role), choice(None, **text), choice("stop", **empty), usage,
                 event(b"[DONE]"), error)  # fmt: skip


def response(status: str, name: str = "response.completed", reason: str | None = None, error: object = None) -> bytes:
    usage = {"input_tokens": 3, "output_tokens": 2}
    details = {"reason": reason} if reason else None
    return named(name, response={"status": status, "incomplete_details": details, "error": error, "usage": usage})


CHAT_STORY = _openai(CHAT, delta={"content": "a"})
COMPLETIONS_STORY = _openai(COMPLETIONS, text="a")
RESPONSES_STORY = Story(
    RESPONSES,
    opening=named("response.created", response={"model": "m", "status": "in_progress"}),
    token=named("response.output_text.delta", delta="a"),
    finish=b"",  # the terminal event is both
    usage=b"",
    done=response("completed"),
    error=named("response.failed", response={"status": "failed", "error": ERROR}),
)
MESSAGES_STORY = Story(
    MESSAGES,
    opening=named("message_start", message={"model": "m", "usage": {"input_tokens": 3, "output_tokens": 1}}),
    token=named("content_block_delta", index=0, delta={"type": "text_delta", "text": "a"}),
    finish=named("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2}),
    usage=b"",
    done=named("message_stop"),
    error=named("error", error={"type": "overloaded_error", "message": "boom"}),
)
STORIES = [CHAT_STORY, COMPLETIONS_STORY, RESPONSES_STORY, MESSAGES_STORY]


def told(
    dialect: Dialect, *events: bytes, end: bytes = END, reset: bool = False, head: bytes = SSE, asked: bool = True
) -> Exchange:
    """The Exchange that these events, a chunk and a read each, come to. A body without its end is cut, or reset."""
    parsed = HeadReader().feed(head)
    assert parsed is not None
    reception = Reception(parsed[0], 0, dialect)
    broken = feed(reception, [*map(chunk, events), end] if end else [*map(chunk, events)], batch=1)
    if broken is None and not reception.done:
        broken = reception.at_eof(reset=reset)
    ask = Ask("r", "/v1/x", 0, sent_ns=0, dialect=dialect.name, usage_asked=asked)
    return reception.close(ask, 10**9, broken)
