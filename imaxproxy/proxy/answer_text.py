"""What an engine answered, as text: for `--capture full` only."""

from contextlib import suppress
from typing import Any

import orjson

from imaxproxy.errors import WireError
from imaxproxy.metrics import REASONING
from imaxproxy.wire import Dialect, Reception
from imaxproxy.wire.dialect import Facts
from imaxproxy.wire.sse import EventSplitter, event_data

Json = dict[str, Any]


def answer_text(reception: Reception, dialect: Dialect) -> Json | None:
    """`recorded.response`: the text, or the body of what was no stream; None where it is too long, or no answer."""
    with suppress(WireError, ValueError, TypeError, AttributeError, KeyError):
        body = reception.kept_body()
        if body is not None:
            return _streamed(body, dialect) if reception.streamed else _whole(orjson.loads(body))
    return None


def _streamed(body: bytes, dialect: Dialect) -> Json:
    """Reasoning apart; tool calls, whose text is their names and arguments, with the answer."""
    texts: dict[bool, list[str]] = {True: [], False: []}
    facts = Facts()
    for event in EventSplitter().feed(body):
        data = event_data(event)
        if data and data != b"[DONE]" and (chunk := orjson.loads(data)) is not None:
            kind, text, _ = dialect.read_event(chunk, facts)
            texts[kind == REASONING].append(text)
    reasoning = "".join(texts[True])
    return {"text": "".join(texts[False])} | ({"reasoning": reasoning} if reasoning else {})


def _whole(answer: Json) -> Json:
    """Of a chat its message, which a replay can put into a history."""
    first = (answer.get("choices") or [{}])[0]
    return {"message": first["message"]} if "message" in first else {"body": answer}
