import hashlib
import random
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire.fuzzing import cuts, long, mutated, quick
from wire.streams import Recorded, chunk, cut, names

from imaxproxy.proxy.usage_strip import EventStrip, UsageStrip
from imaxproxy.wire.framing import Chunked, Framing, Length, UntilClose

ENGINES = ["vllm", "sglang", "sglang-plain", "llamaserver", "dynamo"]
PAIRS = [
    (f"{engine}-{api}-stream", f"{engine}-{api}-stream-{asked}")
    for engine in ENGINES
    for api in ("chat", "completions")
    for asked in ("usage", "contusage")
    if {f"{engine}-{api}-stream", f"{engine}-{api}-stream-{asked}"} <= set(names())
]
NUMBERS = st.integers(0, 2**32)
_TEXT = re.compile(rb'"(content|reasoning_content|text)":"(?:[^"\\]|\\.)+"')
_ID = re.compile(rb'"id":"[^"]*"')
_NUMBER = re.compile(rb"(?<=[:,\[])\d+(\.\d+)?\b")


def shapes(body: bytes) -> list[bytes]:
    """The events with what differs from request to request masked, each once, in order of first appearance.

    Texts, ids, times and numbers are another request's; how many events there are depends on where characters end.
    """
    masked = _NUMBER.sub(b"0", _ID.sub(b'"id":"*"', _TEXT.sub(rb'"\1":"*"', body)))
    return list(dict.fromkeys(re.split(rb"(?<=\n\n)", masked)))


def digest(shapes: list[bytes]) -> str:
    """Half characters give an event without text to some streams and not to others."""
    return hashlib.sha256(b"".join(sorted(shape for shape in shapes if b'"text":""' not in shape))).hexdigest()


def through(reads: list[bytes], framing: Framing, *, final: bool = True, continuous: bool = True) -> bytes:
    strip = UsageStrip(framing, final=final, continuous=continuous)
    return b"".join(map(strip.feed, reads)) + strip.rest()


def stripped(name: str) -> bytes:
    return through([Recorded.load(name).body], UntilClose())


def test_pairs_are_there() -> None:
    assert len(PAIRS) >= 14


@pytest.mark.parametrize(("unasked", "asked"), PAIRS)
def test_the_client_sees_what_it_would_have_seen(unasked: str, asked: str) -> None:
    expected = shapes(Recorded.load(unasked).body)
    if "llamaserver-completions" not in asked:  # which tells usage in any case
        assert digest(shapes(Recorded.load(asked).body)) != digest(expected)
    found = shapes(stripped(asked))
    if "completions" in asked:  # one of the two ends in a text, the other in half a character
        found, expected = ([shape.replace(b'"text":"*"', b'"text":""') for shape in one] for one in (found, expected))
        assert set(found) == set(expected)
    else:
        assert digest(found) == digest(expected)


@pytest.mark.parametrize("name", sorted({name for pair in PAIRS for name in pair}))
def test_who_asked_gets_it(name: str) -> None:
    """A client that asked for the total sees it; nothing else is touched where nothing was added."""
    recorded = Recorded.load(name)
    assert through([recorded.body], UntilClose(), final=False, continuous=False) == recorded.body
    if name.endswith("-usage"):
        assert through([recorded.body], UntilClose(), final=False, continuous=True) == recorded.body


@pytest.mark.parametrize("name", ["vllm-chat-stream", "sglang-chat-stream", "llamacpp-py-chat-stream"])
@pytest.mark.parametrize("framing", ["event", "three", "line", "odd"])
def test_a_stream_without_usage_passes_with_its_own_chunks(name: str, framing: str) -> None:
    recorded = Recorded.load(name)
    reads = recorded.chunks(framing)
    if framing in ("odd", "three"):  # an event that waits for the next one leaves the chunk that it shares
        assert payload(through(reads, Chunked())) == recorded.body
    else:
        assert through(reads, Chunked()) == b"".join(reads)


def payload(raw: bytes) -> bytes:
    framing = Chunked()
    found = framing.feed(raw)
    assert framing.done
    return found


@pytest.mark.parametrize("framing", ["event", "three", "line", "odd"])
@pytest.mark.parametrize("asked", sorted({asked for _, asked in PAIRS}))
def test_framing_changes_nothing(asked: str, framing: str) -> None:
    recorded = Recorded.load(asked)
    assert payload(through(recorded.chunks(framing), Chunked())) == stripped(asked)


@pytest.mark.parametrize("asked", ["vllm-chat-stream-usage", "dynamo-completions-stream-contusage"])
@pytest.mark.parametrize("framing", ["event", "three", "odd"])
def test_cut_at_every_byte(asked: str, framing: str) -> None:
    recorded = Recorded.load(asked)
    raw, expected = recorded.bytes(framing), stripped(asked)
    for place in range(0, len(raw), 3 if framing == "odd" else 1):  # whose chunks are of 7 bytes
        assert payload(through(cut(raw, [place]), Chunked())) == expected, place
    assert payload(through(cut(raw, range(len(raw))), Chunked())) == expected


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_cut_anywhere(data: st.DataObject) -> None:
    recorded = Recorded.load(data.draw(st.sampled_from(sorted({asked for _, asked in PAIRS}))))
    framing = data.draw(st.sampled_from(["event", "three", "odd", "line"]))
    raw = recorded.bytes(framing)
    places = data.draw(st.sets(st.integers(0, len(raw)), max_size=30))
    assert payload(through(cut(raw, places), Chunked())) == stripped(recorded.name)
    of_length = through(cut(recorded.body, places), Length(len(recorded.body)))
    assert payload(of_length) == stripped(recorded.name)  # what shrinks has no length: it comes in chunks
    assert through(cut(recorded.body, places), UntilClose()) == stripped(recorded.name)


def check(recorded: Recorded, framing: str, number: int) -> None:
    """Broken or not: each cut gives the client the same payload, and all of it where nothing was asked."""
    dice = random.Random(number)
    ends = dice.choice((b"\n", b"\n", b"\n", b"\r\n"))
    recorded = replace(recorded, body=mutated(recorded.body.replace(b"\n", ends), dice))
    expected = through([recorded.body], UntilClose())
    raw = recorded.bytes(framing)
    for reads in cuts(raw, dice):
        assert payload(through(reads, Chunked())) == expected, reads
        assert payload(through(reads, Chunked(), final=False, continuous=False)) == recorded.body, reads
    of_length = through(cut(recorded.body, [dice.randrange(9999)]), Length(len(recorded.body)))
    assert payload(of_length) == expected or not recorded.body


@quick
@given(st.sampled_from(sorted({asked for _, asked in PAIRS})), st.sampled_from(["event", "three", "odd"]), NUMBERS)
def test_broken_streams_too(name: str, framing: str, number: int) -> None:
    check(Recorded.load(name), framing, number)


@pytest.mark.slow
@long(4)
@given(st.sampled_from(sorted({asked for _, asked in PAIRS})), st.sampled_from(["event", "three", "odd"]), NUMBERS)
def test_broken_streams_250_000_times(name: str, framing: str, number: int) -> None:
    check(Recorded.load(name), framing, number)


def test_nothing_waits_but_an_end() -> None:
    """Every event is on its way with the read that brought it, except those with a finish reason."""
    recorded = Recorded.load("vllm-chat-stream-contusage")
    strip = UsageStrip(Chunked(), final=True, continuous=True)
    sent = [len(strip.feed(read)) for read in recorded.chunks("event")]
    *texts, finish, usage, done, end = sent
    assert all(texts)
    assert finish == 0
    assert min(usage, done, end) > 0


FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"completion_tokens":1}}\n\n'


def test_of_a_stream_that_is_cut_all_is_sent_that_came() -> None:
    for reads in ([chunk(FINISH)], [chunk(FINISH), b'40\r\ndata: {"choi']):
        assert through(reads, Chunked()) == b"".join(reads)
    assert through([FINISH, b"data: {"], UntilClose()) == FINISH + b"data: {"


def test_what_is_no_chunked_body_is_left_to_the_meter() -> None:
    reads = [chunk(FINISH), b"xyz\r\n", b"more"]
    assert through(reads, Chunked()) == b"".join(reads)


def test_trailers_and_extensions_stay() -> None:
    reads = [b"%x;a=b\r\n%b\r\n" % (len(FINISH), FINISH), chunk(USAGE), b"0\r\nX-Sum: 1\r\n\r\n"]
    assert through(reads, Chunked()) == reads[0] + reads[2]


@pytest.mark.parametrize(
    "event",
    [
        b": keep-alive\n\n",
        b"data: [DONE]\n\n",
        b'data: {nonsense "usage"\n\n',
        b'data: {"choices":[],"usage":null}\n\n',
        b'data: {"choices":[],\ndata: "usage":{}}\n\n',  # over two lines: nobody sends this, and it is not touched
        b'data: {"choices":[{"delta":{"content":"the \\"usage\\" of \\"finish_reason\\":\\"stop\\""}}]}\n\n',
        b'data: {"choices":[],"prompt_filter_results":[{}]}\n\n',
        b'event: x\ndata: ["usage"]\n\n',
    ],
)
def test_what_is_no_usage_stays(event: bytes) -> None:
    assert EventStrip(final=True, continuous=True).take(event) == [event]
    assert through([chunk(event), b"0\r\n\r\n"], Chunked()) == chunk(event) + b"0\r\n\r\n"
