"""Takes out of a stream the usage that its client did not ask for: all else reaches it byte for byte."""

import re
from typing import Any

import orjson

from imaxproxy.errors import WireError
from imaxproxy.proxy.json_edit import find_member, find_members, replaced, with_member, without_member
from imaxproxy.wire.framing import Framing, Length, UntilClose
from imaxproxy.wire.sse import event_ends

_FINISH = re.compile(rb'"finish_reason"\s*:\s*"')
_MOVED = ("system_fingerprint", "timings")
"""Members that vLLM and llama-server put into the usage chunk, and without one into the chunk before it."""
_NULLS = (b'"matched_stop"', b'"system_fingerprint":null,"object":"text_completion"')
"""Marks of SGLang's and Dynamo's /v1/completions, which send `"usage":null` where they have none to tell."""
_LAST_CHUNK = b"0\r\n\r\n"


class EventStrip:
    """Whole events in, the client's events out. Knows no framing.

    An event with a finish reason waits for the next one: if that is the usage chunk, some of its members were the
    finish event's own, had nobody asked for usage.
    """

    def __init__(self, *, final: bool, continuous: bool) -> None:
        self._final, self._continuous = final, continuous
        self._runs = False  # usage came beside an event in mid-stream: it is continuous, not llama.cpp's own habit
        self._held: bytes | None = None

    @property
    def holds(self) -> bool:
        """An event waits for the next."""
        return self._held is not None

    def take(self, event: bytes) -> list[bytes]:
        """What the client gets now: events, each of which may have been changed."""
        held, self._held = self._held, None
        before = [] if held is None else [held]
        chunk = _chunk_of(event) if b'"usage"' in event else None
        if chunk is not None and chunk.get("choices") == [] and isinstance(chunk.get("usage"), dict):
            before = [self._less_usage(_moved_back(event, one) if self._final else one) for one in before]
            return before if self._final else [*before, event]
        before = [self._less_usage(one) if self._runs else one for one in before]
        if _FINISH.search(event):
            self._held = event
            return before
        if chunk is not None and isinstance(chunk.get("usage"), dict):
            self._runs = True
            event = self._less_usage(event)
        return [*before, event]

    def rest(self) -> list[bytes]:
        """What still waited when the stream ended."""
        held, self._held = self._held, None
        return [] if held is None else [self._less_usage(held) if self._runs else held]

    def _less_usage(self, event: bytes) -> bytes:
        """An event without the usage that stands beside its choices."""
        if not self._continuous or b'"usage"' not in event or _chunk_of(event) is None:
            return event
        start, end = _bounds(event)
        span = find_member(event[start:end], "usage")
        if span is None or event[start + span.start] != ord("{"):
            return event
        if any(sign in event for sign in _NULLS) and b'"text_completion"' in event:
            return event[:start] + replaced(event[start:end], span, None) + event[end:]
        return event[:start] + without_member(event[start:end], "usage") + event[end:]


class UsageStrip:
    """Reads as the engine framed them in, bytes for the client out.

    Chunks whose events stay as they are pass as they are; those of changed events, and those in which an event that
    waits has company, are made anew. Where the bounds of
    chunks are no bounds of events, events are sent as they become whole, in chunks of our own.
    """

    def __init__(self, framing: Framing, *, final: bool, continuous: bool) -> None:
        self._framing = framing
        self.chunked = not isinstance(framing, UntilClose)
        """So is what comes out: a body that shrinks cannot keep its length."""
        self._events = EventStrip(final=final, continuous=continuous)
        self._keeps_frames = not isinstance(framing, Length)
        self._in_step = self._keeps_frames  # `_raw` is `_payload` as the engine framed it, from a bound of both
        self._raw = bytearray()
        self._payload = bytearray()  # came, and not sent yet
        self._searched = 0  # up to here no event ends in it
        self._waiting: tuple[bytes, bytes | None] | None = None  # the event that waits, and its chunk
        self._broken = False

    def feed(self, data: bytes) -> bytes:
        """Take one read; return what of it, and of those before, the client gets now."""
        if self._broken:
            return data
        before = self._in_step and not self._raw and not self._events.holds
        try:
            payload = self._framing.feed(data)
        except WireError:  # the meter ends the exchange with it; until then the client sees what the engine sent
            self._broken = True
            return self.rest() + data
        if before and self._framing.at_boundary() and _is_plain(payload):
            return data
        self._payload += payload
        if self._in_step:
            self._raw += data
        return self._whole_events()

    def rest(self) -> bytes:
        """What was held when the body ended, or the connection."""
        out = self._released(self._events.rest())
        out += bytes(self._raw) if self._in_step else self._framed(bytes(self._payload))
        self._raw.clear()
        self._payload.clear()
        return out

    def _whole_events(self) -> bytes:
        payload, done = self._payload, self._framing.done
        end = max(event_ends(payload, self._searched), default=0)
        at_bound = (done or self._framing.at_boundary()) and end == len(payload)
        out, tail = b"", b""
        if at_bound and self._in_step:
            units, tail = _units(bytes(self._raw)) if self.chunked else ([(bytes(payload), bytes(self._raw))], b"")
            out = b"".join(self._unit(unit, raw) for unit, raw in units)
            self._raw.clear()
        elif end:
            out = self._unit(bytes(payload[:end]), None)
            self._in_step = False
            self._raw.clear()
        del payload[:end]
        self._searched = max(0, len(payload) - 4)
        if done:
            kept_frame = self._in_step
            return out + self.rest() + (tail if kept_frame else _LAST_CHUNK)
        if at_bound:
            self._in_step = self._keeps_frames
        return out

    def _unit(self, unit: bytes, raw: bytes | None) -> bytes:
        """The client's bytes for whole events; raw: as the engine framed them, where these bytes can be told."""
        events = _split(unit)
        kept = [out for event in events for out in self._events.take(event)]
        out = self._released(kept)
        if self._events.holds:
            self._waiting = (events[-1], raw if len(events) == 1 else None)
        body = b"".join(kept)
        return out + (raw if raw is not None and body == unit else self._framed(body))

    def _released(self, kept: list[bytes]) -> bytes:
        """The event that had waited, the first of these: taken from them, in its own chunk if it is as it was."""
        if self._waiting is None or not kept:
            return b""
        (event, raw), self._waiting = self._waiting, None
        first = kept.pop(0)
        return raw if first == event and raw is not None else self._framed(first)

    def _framed(self, payload: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(payload), payload) if payload and self.chunked else payload


def _is_plain(payload: bytes) -> bool:
    """Whole events, and none that is ours to change or to hold."""
    return payload.endswith(b"\n\n") and b'"usage"' not in payload and not _FINISH.search(payload)


def _split(unit: bytes) -> list[bytes]:
    ends = [*event_ends(unit)]
    return [unit[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _units(raw: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Whole chunks, as few together as hold whole events, (payload, raw) of each; and the last chunk if it is there."""
    units: list[tuple[bytes, bytes]] = []
    payload, start, at = b"", 0, 0
    while at < len(raw):
        line_end = raw.index(b"\n", at) + 1
        size = int(raw[at:line_end].partition(b";")[0], 16)
        if not size:
            return units, raw[at:]
        payload += raw[line_end : line_end + size]
        at = line_end + size + 2
        if max(event_ends(payload), default=0) == len(payload):
            units.append((payload, raw[start:at]))
            payload, start = b"", at
    return units, b""


def _chunk_of(event: bytes) -> dict[str, Any] | None:
    """The event's JSON, where it stands on one line, so that offsets in it are offsets in the event."""
    line = event.strip()
    if not line.startswith(b"data:") or b"\n" in line or b"\r" in line:
        return None
    try:
        chunk = orjson.loads(line[5:])
    except orjson.JSONDecodeError:
        return None
    return chunk if isinstance(chunk, dict) else None


def _moved_back(usage_event: bytes, finish_event: bytes) -> bytes:
    """The finish event with what the usage chunk took from it."""
    if _chunk_of(finish_event) is None:
        return finish_event
    start, end = _bounds(usage_event)
    said = usage_event[start:end]
    moved = find_members(said, *_MOVED)
    start, end = _bounds(finish_event)
    finish = finish_event[start:end]
    there = find_members(finish, *_MOVED)
    for name, span in moved.items():
        if name not in there:
            finish = with_member(finish, name, orjson.Fragment(said[span.start : span.end]))
    return finish_event[:start] + finish + finish_event[end:]


def _bounds(event: bytes) -> tuple[int, int]:
    """Where the JSON object stands in an event that `_chunk_of` can read."""
    return event.index(b"{"), event.rindex(b"}") + 1
