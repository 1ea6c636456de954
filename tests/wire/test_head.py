from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.errors import WireError
from imaxproxy.wire import HeadReader, ResponseHead, dropped_headers
from imaxproxy.wire.framing import Chunked, Length, UntilClose

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"


def head_of(data: bytes) -> ResponseHead:
    parsed = HeadReader().feed(data)
    assert parsed is not None
    return parsed[0]


def test_reads_the_same_cut_at_every_byte() -> None:
    for place in range(1, len(HEAD)):
        reader = HeadReader()
        assert reader.feed(HEAD[:place]) is None
        head, rest = reader.feed(HEAD[place:] + b"body") or (None, b"")
        assert head == head_of(HEAD)
        assert rest == b"body"


def test_names_keep_their_case_and_are_found_without_it() -> None:
    head = head_of(HEAD)
    assert (head.status, head.reason, head.keep_alive) == (200, b"OK", True)
    assert head.headers[0][0] == b"Content-Type"
    assert head.content_type == b"text/event-stream"
    assert head.header(b"x-none") is None


def test_the_last_of_equal_headers_counts() -> None:
    assert head_of(b"HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\n\r\n").header(b"a") == b"2"


def test_interim_responses_are_dropped() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    reader = HeadReader()
    assert reader.feed(interim) is None
    head, rest = reader.feed(HEAD + b"x") or (None, b"")
    assert head == head_of(HEAD)
    assert rest == b"x"
    assert head_of(interim + HEAD) == head_of(HEAD)


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (b"200 OK\r\nTransfer-Encoding: Chunked", Chunked),
        (b"200 OK\r\nContent-Length: 5", Length),
        (b"200 OK", UntilClose),
        (b"204 No Content", Length),
        (b"304 Not Modified\r\nContent-Length: 5", Length),
    ],
)
def test_the_body_ends_as_the_head_says(lines: bytes, kind: type) -> None:
    head = head_of(b"HTTP/1.1 " + lines + b"\r\n\r\n")
    assert isinstance(head.framing(), kind)
    assert head.framing("HEAD").done


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",  # smuggling
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * (65 << 10),  # without an end
    ],
)
def test_what_is_no_response_is_a_bad_head(data: bytes) -> None:
    with pytest.raises(WireError) as error:
        head_of(data).framing()
    assert error.value.kind == "bad_head"


@given(st.binary(max_size=300) | st.builds(lambda tail: b"HTTP/1.1 " + tail + b"\r\n\r\n", st.binary(max_size=100)))
def test_only_wire_errors_leave(data: bytes) -> None:
    with suppress(WireError):
        parsed = HeadReader().feed(data)
        if parsed is not None:
            parsed[0].framing()


def test_a_simulated_engine_says_so() -> None:
    assert head_of(b"HTTP/1.1 200 OK\r\nX-Imaxproxy-Simulated: 1\r\n\r\n").simulated
    assert not head_of(HEAD).simulated


def test_hop_by_hop_headers_do_not_travel_on() -> None:
    dropped = dropped_headers([(b"Connection", b"close, X-Mine"), (b"X-Other", b"1")])
    assert {b"connection", b"transfer-encoding", b"close", b"x-mine"} <= dropped
    assert b"x-other" not in dropped
