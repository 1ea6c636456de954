import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.errors import WireError
from imaxproxy.wire.framing import Chunked, Framing, Length, UntilClose

CASES = {
    "two chunks": (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
    "hex in both cases": (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"01234567890123456789"),
    "leading zeros": (b"0003\r\nabc\r\n000\r\n\r\n", b"abc"),
    "an extension": (b'3;name="va\tlue"\r\nabc\r\n0;last\r\n\r\n', b"abc"),
    "a blank behind the size": (b"3 \r\nabc\r\n0\r\n\r\n", b"abc"),
    "trailers": (b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", b"abc"),
    "line ends in the payload": (b"6\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n\r\n"),
    "no payload": (b"0\r\n\r\n", b""),
}
BROKEN = {
    "no size": b"\r\nabc",
    "not hex": b"xyz\r\n",
    "a prefix": b"0x3\r\nabc\r\n",
    "a sign": b"+3\r\nabc\r\n",
    "an underscore": b"1_0\r\n",
    "too large": b"1" * 17 + b"\r\n",
    "a bare LF": b"3\nabc\r\n",
    "payload longer than it says": b"3\r\nabcd\r\n",
    "LF for CRLF behind a payload": b"3\r\nabc\n",
    "an endless size line": b"3;" + b"x" * 1100,
    "a long size line in one read": b"3;" + b"x" * 1100 + b"\r\nabc\r\n",
}


def payload(framing: Framing, pieces: list[bytes]) -> bytes:
    return b"".join(framing.feed(piece) for piece in pieces)


@pytest.mark.parametrize("case", CASES)
def test_chunks_read_the_same_cut_at_every_byte(case: str) -> None:
    wire, expected = CASES[case]
    for place in range(len(wire) + 1):
        framing = Chunked()
        assert payload(framing, [wire[:place], wire[place:]]) == expected
        assert framing.done
    bytewise = Chunked()
    for index in range(len(wire)):
        assert not bytewise.done
        bytewise.feed(wire[index : index + 1])
    assert bytewise.done


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.lists(st.integers(0, 400), max_size=8))
def test_chunks_of_anything_cut_anywhere(chunks: list[bytes], places: list[int]) -> None:
    wire = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    bounds = sorted({0, len(wire), *(place for place in places if place < len(wire))})
    framing = Chunked()
    assert payload(framing, [wire[a:b] for a, b in itertools.pairwise(bounds)]) == b"".join(chunks)
    assert framing.done


@pytest.mark.parametrize("case", BROKEN)
def test_broken_chunks_are_named(case: str) -> None:
    with pytest.raises(WireError) as whole:
        Chunked().feed(BROKEN[case])
    with pytest.raises(WireError) as bytewise:
        payload(Chunked(), [bytes([byte]) for byte in BROKEN[case]])
    assert whole.value.kind == bytewise.value.kind == "bad_chunk"


def test_a_boundary_is_between_chunks_only() -> None:
    wire, framing = b"3;x\r\nabc\r\n1\r\nd\r\n", Chunked()
    at_boundary = []
    for index in range(len(wire)):
        framing.feed(wire[index : index + 1])
        if framing.at_boundary():
            at_boundary.append(index + 1)
    assert at_boundary == [10, len(wire)]
    framing.feed(b"0\r\n")
    assert not framing.at_boundary()


def test_bytes_after_the_last_chunk_are_nobodys() -> None:
    with pytest.raises(WireError) as error:
        Chunked().feed(b"0\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert error.value.kind == "excess_body"


def test_a_length_ends_with_its_last_byte() -> None:
    framing = Length(3)
    assert (framing.feed(b"ab"), framing.done) == (b"ab", False)
    assert (framing.feed(b"c"), framing.done) == (b"c", True)
    assert Length(0).done
    with pytest.raises(WireError) as error:
        framing.feed(b"d")
    assert error.value.kind == "excess_body"


def test_until_close_never_ends_by_itself() -> None:
    framing = UntilClose()
    assert framing.feed(b"anything") == b"anything"
    assert not framing.done
    assert framing.at_boundary()
