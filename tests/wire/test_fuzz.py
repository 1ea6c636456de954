"""Damaged streams of real engines: whatever comes, an Exchange comes of it, and the same one however it was cut.

A case is a recorded stream in some framing, damaged in a few places and cut into reads. What once found a fault stands
in SEEDS and is run again each time; a million cases run with `-m slow`.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaxproxy.errors import WireError
from imaxproxy.metrics import Exchange
from imaxproxy.wire import HeadReader
from imaxproxy.wire import reception as reception_module
from wire.streams import FRAMINGS, Recorded, cut, facts, names, receive

CASES_A_SEED = 100
SEEDS: tuple[int, ...] = (0, 1, 2**32)
STREAMS = [recorded for recorded in map(Recorded.load, names()) if recorded.streamed and len(recorded.body) < 3000]
BITS = [
    *(b"\n", b"\r", b"\r\n", b"\n\n", b"data:", b"data: ", b"data: [DONE]\n\n", b": ping\n\n", b"event: error\n"),
    *(b"{", b"}", b'"', b"null", b"1e999", b"\x00", b"\xff", b"\xf0\x9f"),
    *(b"0\r\n", b"\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1\r\n"),
    *(b'"usage":{"completion_tokens":-5},', b'"finish_reason":"stop"', b'"error":{"message":"x"},', b'"choices":null,'),
]


def damaged(draw: random.Random, raw: bytes) -> bytes:
    """Bytes put in, taken out, changed, said twice."""
    for _ in range(draw.randrange(4)):
        at = draw.randrange(len(raw) + 1)
        end = min(len(raw), at + draw.choice((1, 1, 2, 5, 40, 400)))
        middle = draw.choice((b"", draw.choice(BITS), bytes((draw.randrange(256),)), raw[at:end] * 2))
        raw = raw[:at] + middle + raw[draw.choice((at, end)) :]
    return raw


def reads_of(draw: random.Random, raw: bytes) -> list[bytes]:
    if draw.random() < 0.03:
        return cut(raw, range(len(raw)))
    return cut(raw, [draw.randrange(len(raw) + 1) for _ in range(draw.choice((0, 1, 3, 12, 40)))])


def without_templates(recorded: Recorded, framing: str, reads: list[bytes]) -> Exchange:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reception_module, "learn", lambda *_, **__: None)
        patch.setattr(reception_module, "learn_numbered", lambda *_, **__: None)
        return receive(recorded, framing, reads, 64)


def framing_holds(recorded: Recorded, framing: str, raw: bytes) -> bool:
    parsed = HeadReader().feed(recorded.head(framing))
    assert parsed is not None
    try:
        parsed[0].framing("POST").feed(raw)
    except WireError:
        return False
    return True


def check(seed: int, cases: int = CASES_A_SEED) -> None:
    draw = random.Random(seed)
    for number in range(cases):
        recorded, framing = draw.choice(STREAMS), draw.choice(FRAMINGS)
        raw = damaged(draw, recorded.bytes(framing))
        reads = reads_of(draw, raw)
        found = receive(recorded, framing, reads, draw.choice((1, 2, 7, 64)))
        what = f"seed {seed}, case {number}: {recorded.name}, {framing}"
        assert found == without_templates(recorded, framing, reads), what
        if framing_holds(recorded, framing, raw):  # else the events of the read in which it breaks are lost
            assert facts(found) == facts(receive(recorded, framing, reads_of(draw, raw))), what


@pytest.mark.parametrize("seed", SEEDS)
def test_what_once_failed(seed: int) -> None:
    check(seed)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**64))
def test_a_sample(seed: int) -> None:
    check(seed, 25)


@pytest.mark.slow
def test_a_million_cases() -> None:
    for seed in range(1_000_000 // CASES_A_SEED):
        check(seed)
