"""What the fuzz tests feed: streams of grammar and of noise, and the cuts to read them in.

One case is one stream read in one cut. The long runs have fixed seeds, so that each is the same run again; what they
found stands as an example in the tests.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st

from wire.streams import cut

CUTS = 25
"""Cases that one example makes."""
LONG_CASES = 250_000
"""Of each long run."""

quick = settings(max_examples=20, deadline=None)
_long = settings(max_examples=LONG_CASES // CUTS, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def long(number: int) -> Callable[[Any], Any]:
    """A long run, the same each time."""
    return lambda test: _long(seed(number)(test))


def cuts(data: bytes, dice: random.Random) -> Iterator[list[bytes]]:
    """The data whole, byte by byte, and in pieces of all sizes: `CUTS` ways in all."""
    yield [data]
    yield cut(data, range(len(data)))
    for _ in range(CUTS - 2):
        many = dice.choice((1, 1, 2, 3, 8, 30))
        yield cut(data, [dice.randint(0, len(data)) for _ in range(many)])


LINES = st.sampled_from(
    [b"data: {}", b"data:x", b"data", b"data: a", b": ping", b":", b"event: error", b"id: 7", b"retry: 10", b"",
     b"data: [DONE]", "data: ä€😀".encode(), b"\xef\xbb\xbfdata: b", b"\0", b"data:\0", b"  data: x"]
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@st.composite
def event_streams(draw: st.DrawFn) -> bytes:
    """Any mix of lines and line ends, raw bytes between, and perhaps an end in the middle."""
    lines = draw(
        st.lists(st.tuples(LINES | st.binary(max_size=6), ENDS, st.sampled_from([0, 1, 1, 2, 3])), max_size=12)
    )
    return b"".join(line + end * more for line, end, more in lines)


_SIZES = st.sampled_from([b"%x", b"%X", b"0%x", b"%016x", b"%x;a=b", b'%x \t;"x;y"', b"%x;", b"%x "])
_BROKEN = st.sampled_from(
    [b"", b"\n", b"\r", b"\r\n", b"0\r\n", b"+1\r\n", b"0x1\r\n", b"1_0\r\n", b"-1\r\n", b"g\r\n", b"1" * 17, b";\r\n",
     b"1\n", b"f" * 16 + b"\r\n", b"3;" + b"x" * 1100, b"HTTP/1.1 200 OK\r\n\r\n"]
)  # fmt: skip


@st.composite
def chunked_bodies(draw: st.DrawFn) -> bytes:
    """Chunks as anyone may write them, trailers too, and half the time something that is none."""
    payloads = draw(st.lists(st.binary(min_size=1, max_size=30) | st.just(b"\r\n0\r\n\r\n"), max_size=6))
    pieces = [draw(_SIZES) % len(one) + b"\r\n" + one + b"\r\n" for one in payloads]
    trailers = draw(st.sampled_from([b"", b"X-Sum: 1\r\n", b"A: b\r\nC: d\r\n"]))
    pieces.append(draw(st.sampled_from([b"0\r\n", b"000;x\r\n"])) + trailers + b"\r\n")
    if draw(st.booleans()):
        pieces.insert(draw(st.integers(0, len(pieces))), draw(_BROKEN | st.binary(max_size=8)))
    return b"".join(pieces)


def mutated(body: bytes, dice: random.Random) -> bytes:
    """A few of the body's bytes flipped, lost, doubled or swapped for signs that mean something."""
    data = bytearray(body)
    for _ in range(dice.choice((0, 1, 1, 2, 4))):
        at = dice.randrange(len(data))
        what = dice.randrange(5)
        if what == 0:
            data[at] = dice.randrange(256)
        elif what == 1:
            del data[at : at + dice.choice((1, 2, 20))]
        elif what == 2:
            data[at:at] = data[at : at + dice.choice((1, 20, 300))]
        elif what == 3:
            data[at:at] = dice.choice((b"\r", b"\n", b"\n\n", b"\r\n", b"\0", b'"', b"\\", b"{", b"}", b": x\n\n"))
        else:
            del data[at:]
        if not data:
            break
    return bytes(data)
