"""The texts of a streamed answer, event by event, read once more from its bytes: for whoever counts tokens in them."""

from imaxproxy.errors import WireError
from imaxproxy.wire.dialect import UNREADABLE, Dialect, Facts
from imaxproxy.wire.event_json import load_json
from imaxproxy.wire.sse import EventSplitter, event_data

EventText = tuple[int, str]
"""Kind and text of one token event."""


def event_texts(body: bytes, dialect: Dialect) -> list[EventText] | None:
    """Those of all token events in a body without its framing, in the order of the Timeline that was made of it.

    None where several answers are mixed in it (`n` above 1): whose text an event continues is not known here.
    """
    texts: list[EventText] = []
    facts = Facts()
    try:
        events = EventSplitter().feed(body)
    except WireError:  # the stream was broken there, and nothing behind it was taken in
        return None
    for event in events:
        payload = event_data(event)
        if payload is None or payload.strip() == b"[DONE]":
            continue
        try:
            chunk = load_json(payload)
            kind, text, _ = dialect.read_event(chunk, facts) if chunk is not None else (0, "", "")
        except UNREADABLE:  # counted when it came
            continue
        if kind:
            texts.append((kind, text))
    return None if facts.many_choices else texts
