"""SSE and chunks, the right ones and the broken: read as others read them, in whatever cut."""

import random
import re
from itertools import pairwise

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imaxproxy.errors import WireError
from imaxproxy.wire.framing import Chunked
from imaxproxy.wire.sse import EventSplitter, event_data, event_ends
from wire.fuzzing import chunked_bodies, cuts, event_streams, long, quick

BOM = b"\xef\xbb\xbf"
SEEDS = st.integers(0, 2**32)


# Events ---------------------------------------------------------------------------------------------------------------


def told(stream: bytes) -> list[bytes]:
    """Data of each event, by the words of the standard (WHATWG HTML, 9.2.6), the slow and plain way."""
    lines = re.split(rb"\r\n|\n|\r", stream.removeprefix(BOM))
    found: list[bytes] = []
    data: list[bytes] = []
    for line in lines[:-1]:  # what no line end follows is no line
        name, colon, value = line.partition(b":")
        if not line:
            found += [b"\n".join(data)] if data else []
            data = []
        elif name == b"data":
            data.append(value[1:] if value[:1] == b" " else value)
        elif not colon:
            continue
    return found


def check_events(stream: bytes, number: int) -> None:
    expected = told(stream)
    for reads in cuts(stream, random.Random(number)):
        splitter = EventSplitter()
        assert data_of([event for read in reads for event in splitter.feed(read)]) == expected, reads
    first, *others = [stream[a:b] for a, b in pairwise([0, *event_ends(stream + b"x")])] or [b""]
    assert data_of([first.removeprefix(BOM), *others]) == expected


def data_of(events: list[bytes]) -> list[bytes]:
    return [data for event in events if (data := event_data(event)) is not None]


@quick
@given(event_streams(), SEEDS)
@example(b"data: 1\r\r", 0)  # once told with the next read only
@example(b"data: 1\r\n\r\ndata: 2\r\n\r", 0)
@example(b"\r\r\n\n\rdata\r\rdata\n\r", 0)
@example(b"\n\n\xef\xbb\xbfdata: b\n\n", 0)  # a mark inside the stream is none
@example(b"\xef\xbb\xbfdata: b\n\n\xef\xbb\xbfdata: c\n\n", 0)
def test_events_are_those_of_the_standard(stream: bytes, number: int) -> None:
    check_events(stream, number)


@pytest.mark.slow
@long(1)
@given(event_streams(), SEEDS)
def test_events_are_those_of_the_standard_250_000_times(stream: bytes, number: int) -> None:
    check_events(stream, number)


# Chunks ---------------------------------------------------------------------------------------------------------------


class Payload:
    """What llhttp makes of a body."""

    def __init__(self) -> None:
        self.data, self.done = b"", False

    def on_body(self, data: bytes) -> None:
        self.data += data

    def on_message_complete(self) -> None:
        self.done = True


def by_llhttp(body: bytes) -> Payload | None:
    """None when it refuses the body."""
    payload = Payload()
    parser = httptools.HttpResponseParser(payload)
    parser.feed_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        parser.feed_data(body)
    except httptools.HttpParserError:
        return None
    return payload


def dechunked(reads: list[bytes]) -> tuple[bytes, bool, str | None]:
    framing, payload = Chunked(), b""
    try:
        for read in reads:
            payload += framing.feed(read)
    except WireError as error:
        return b"", False, error.kind
    return payload, framing.done, None


def check_chunks(body: bytes, number: int) -> None:
    """Each cut says the same; and what both parsers take as a whole body, they take as the same one."""
    expected = dechunked([body])
    payload, done, _ = expected
    other = by_llhttp(body)
    if done and other is not None:
        assert (other.data, other.done) == (payload, True)
    for reads in cuts(body, random.Random(number)):
        assert dechunked(reads) == expected, reads


@quick
@given(chunked_bodies(), SEEDS)
@example(b"1\r\na\r\n0\r\n\r\n", 0)
def test_chunks_are_those_of_another_parser(body: bytes, number: int) -> None:
    check_chunks(body, number)


@pytest.mark.slow
@long(2)
@given(chunked_bodies(), SEEDS)
def test_chunks_are_those_of_another_parser_250_000_times(body: bytes, number: int) -> None:
    check_chunks(body, number)
