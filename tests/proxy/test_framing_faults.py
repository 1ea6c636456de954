"""The ways in which one and the same stream can be framed (B01 to B15): the client gets each byte of it as the engine
sent it, and the meter sees the same tokens."""

import gzip
import re
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import brotli
import pytest
from on_loop import run, until
from scripted_engine import Call
from wire.dialect_events import CHAT_STORY, END, SSE, STORIES, Story, event
from wire.streams import chunk, cut, feed

from imaxproxy.metrics import Exchange, Flag
from imaxproxy.wire import CHAT, DIALECTS, HeadReader, Reception
from proxy.running import head_and_body, post, proxied

pytestmark = pytest.mark.usefixtures("hot_path")

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PATHS = {dialect.name: path for path, dialect in DIALECTS.items()}
stories = pytest.mark.parametrize("story", STORIES, ids=str)


@dataclass(frozen=True)
class Answer:
    """What the engine writes, a write each; without a length and chunks it closes behind the last."""

    writes: list[bytes]
    head: bytes = SSE
    closes: bool = False
    tokens: int = 2
    flags: tuple[Flag, ...] = ()


@dataclass
class Engine:
    """Gives the answers in their order."""

    answers: list[Answer]
    given: list[Answer] = field(default_factory=list)

    async def answer(self, call: Call) -> None:
        answer = self.answers[len(self.given)]
        self.given.append(answer)
        await call.send(answer.head, *answer.writes)
        if answer.closes:
            call.close()


def through_the_proxy(story: Story, answers: list[Answer]) -> list[Exchange]:
    """The exchanges of these answers. Each client has got the engine's bytes, no more and no less."""

    async def scenario() -> list[Exchange]:
        async with proxied(Engine(answers).answer) as running:
            for answer in answers:
                client = await running.connect()
                await client.send(post(b"{}", b"Connection: close", path=PATHS[story.dialect.name].encode()))
                head, body = head_and_body(await client.read_all())
                assert head.startswith(b"HTTP/1.1 200 OK\r\n")
                assert body == b"".join(answer.writes)
                await until(lambda: len(running.exchanges) == len(running.engine.requests), "its exchange to end")
                client.leave()
            return running.exchanges

    return run(scenario(), deadline_s=60)


def framed(events: Sequence[bytes]) -> list[bytes]:
    return [*map(chunk, events), END]


def lines_end_in(end: bytes) -> Callable[[Story], Answer]:
    return lambda story: Answer(framed([event.replace(b"\n", end) for event in story.whole]))


def between(*odd: bytes) -> Callable[[Story], Answer]:
    """These events before, between and behind all others."""
    return lambda story: Answer(framed([piece for event in [*story.whole, b""] for piece in (*odd, event) if piece]))


def inside(line: bytes) -> Callable[[Story], Answer]:
    """A line more before and behind each line of each event."""

    def answer(story: Story) -> Answer:
        events = [re.sub(rb"(?m)^(.+)$", line + rb"\n\1\n" + line, one) for one in story.whole]
        return Answer(framed(events))

    return answer


def token_text(raw: bytes, flags: tuple[Flag, ...] = (), tokens: int = 2) -> Callable[[Story], Answer]:
    """The second token's text is these bytes of JSON."""

    def answer(story: Story) -> Answer:
        changed = re.sub(rb'"a"(?=[,}])', lambda _: b'"' + raw + b'"', story.token)
        assert changed != story.token
        head, first, _, *rest = story.whole
        return Answer(framed([head, first, changed, *rest]), tokens=tokens, flags=flags)

    return answer


def over_lines(story: Story) -> Answer:
    """JSON may break between any two of its signs."""
    events = [re.sub(rb"(?<=[,{])(?=\")", b"\ndata: ", one) for one in story.whole]
    assert sum(b"\ndata: " in one for one in events) >= 4
    return Answer(framed(events))


def until_close(version: bytes, header: bytes = b"") -> Callable[[Story], Answer]:
    head = version + b" 200 OK\r\nContent-Type: text/event-stream\r\n" + header + b"\r\n"
    return lambda story: Answer(story.whole, head, closes=True)


def encoded(name: bytes, encode: Callable[[bytes], bytes]) -> Callable[[Story], Answer]:
    head = SSE.replace(b"\r\n\r\n", b"\r\nContent-Encoding: %b\r\n\r\n" % name)
    return lambda story: Answer(framed(cut(encode(b"".join(story.whole)), range(0, 4000, 11))), head)


def as_one(writes: Callable[[Story], Answer]) -> Callable[[Story], Answer]:
    return lambda story: Answer([b"".join(writes(story).writes)])


ODD_SIZES = [
    lambda size, data: b"%x;name=\"a;b\"\r\n%b\r\n" % (size, data),
    lambda size, data: b"%016x\r\n%b\r\n" % (size, data),
    lambda size, data: b"0%X  ;x\r\n%b\r\n" % (size, data),
    lambda size, data: b"%x;\t\r\n%b\r\n" % (size, data),
]  # fmt: skip


def odd_sizes(story: Story) -> Answer:
    chunks = [ODD_SIZES[index % len(ODD_SIZES)](len(one), one) for index, one in enumerate(story.whole)]
    return Answer([*chunks, b"0000;last\r\nX-Sum: 1\r\nX-More: \r\n\r\n"])


CELLS: dict[str, Callable[[Story], Answer]] = {
    "B02 chunks of one byte": lambda story: Answer(framed(cut(b"".join(story.whole), range(10_000)))),
    "B02 chunks of one byte in one write": as_one(
        lambda story: Answer(framed(cut(b"".join(story.whole), range(10_000))))
    ),
    "B02 reads of one byte": lambda story: Answer(cut(b"".join(framed(story.whole)), range(10_000))),
    "B03 64 events in one write": lambda story: Answer(
        [b"".join(framed([story.opening, *[story.token] * 64, *story.whole[3:]]))], tokens=64
    ),
    "B03 64 events in one chunk": lambda story: Answer(
        framed([story.opening, story.token * 64, *story.whole[3:]]), tokens=64
    ),
    "B04 CRLF": lines_end_in(b"\r\n"),
    "B04 CR": lines_end_in(b"\r"),
    "B04 mixed": lambda story: Answer(
        framed([one.replace(b"\n", end) for one, end in zip(story.whole, [b"\r", b"\r\n", b"\n"] * 2, strict=False)])
    ),
    "B05 no blank": lambda story: Answer(framed([one.replace(b"data: ", b"data:") for one in story.whole])),
    "B05 a blank behind": lambda story: Answer(framed([one.replace(b"\n\n", b" \n\n") for one in story.whole])),
    "B06 comments between": between(b": x\n\n", b":\n\n", b":" + b"x" * 5000 + b"\n\n"),
    "B06 comments inside": inside(b": x"),
    "B07 data over lines": over_lines,
    "B08 an emoji": token_text("\U0001f600".encode()),
    "B08 an emoji cut anywhere": lambda story: Answer(
        cut(b"".join(token_text("\U0001f600é".encode())(story).writes), range(0, 10_000, 3))
    ),
    "B08 half a character": token_text(b"\\ud83d"),
    "B08 the other half": token_text(b"\\ude00"),
    "B08 a byte order mark": lambda story: Answer(framed([b"\xef\xbb\xbf" + story.whole[0], *story.whole[1:]])),
    "B08 bytes that are not UTF-8": token_text(b"\xf0\x9f", (Flag.BAD_EVENT,), tokens=1),
    "B09 an event of 1 MB": token_text(b"x" * (1 << 20)),
    "B10 NUL, escaped": token_text(b"\\u0000\\u0001\\u001f\\b"),
    "B10 NUL, bare": token_text(b"\0\x01\x1f", (Flag.BAD_EVENT,), tokens=1),  # which no JSON may hold
    "B11 chunk extensions, 16 digits, trailers": odd_sizes,
    "B12 neither length nor chunks": until_close(b"HTTP/1.1", b"Connection: close\r\n"),
    "B12 HTTP/1.0": until_close(b"HTTP/1.0"),
    "B13 gzip": encoded(b"gzip", gzip.compress),
    "B13 gzip in two members": encoded(b"gzip", lambda body: gzip.compress(body[:300]) + gzip.compress(body[300:])),
    "B13 deflate": encoded(b"deflate", zlib.compress),
    "B13 deflate, bare": encoded(b"deflate", lambda body: zlib.compress(body, wbits=-15)),
    "B13 br": encoded(b"br", brotli.compress),
    "B13 zstd": encoded(b"zstd", zstd.compress),
    "B14 event, id and retry lines": between(b"event: x\n\n", b"id: 7\n\n", b"retry: 100\n\n"),
    "B14 inside events": inside(b"id: 7"),
}  # fmt: skip


@stories
def test_the_client_gets_each_byte_and_the_meter_each_token(story: Story) -> None:
    answers = {name: cell(story) for name, cell in CELLS.items()}
    for (name, answer), exchange in zip(answers.items(), through_the_proxy(story, [*answers.values()]), strict=True):
        assert exchange.ending == "complete", name
        assert exchange.flags == answer.flags, name
        assert len(exchange.timeline) == answer.tokens, name
        assert exchange.usage.output_tokens == 2, name
        assert exchange.timeline.times_ns[0] >= (exchange.first_event_ns or 0) >= (exchange.first_byte_ns or 0), name


# B01 ------------------------------------------------------------------------------------------------------------------


@stories
def test_b01_cut_at_every_byte_the_client_gets_the_same(story: Story) -> None:
    """Three events over sockets, head included."""
    wire = SSE + b"".join(framed([story.token, story.finish or story.token, story.done]))
    answers = [Answer(cut(wire, [place])) for place in range(1, len(wire))]

    async def scenario() -> None:
        engine = Engine([Answer(answer.writes, head=b"") for answer in answers])
        async with proxied(engine.answer) as running:
            client = await running.connect()
            for place in range(len(answers)):
                await client.send(post(b"{}", path=PATHS[story.dialect.name].encode()))
                assert (await client.read_until(END)).endswith(wire[len(SSE) :]), place
            await until(lambda: len(running.exchanges) == len(answers), "all exchanges to end")
            assert {(one.ending, len(one.timeline)) for one in running.exchanges} == {
                ("complete", 1 if story.finish else 2)
            }

    run(scenario(), deadline_s=60)


# B09, B15: what a stream costs in memory ------------------------------------------------------------------------------


def reception_of(head: bytes = SSE) -> Reception:
    parsed = HeadReader().feed(head)
    assert parsed is not None
    return Reception(parsed[0], 0, CHAT)


def test_b15_a_stream_of_200_000_events_keeps_under_5_mb() -> None:
    read = chunk(CHAT_STORY.token)
    reception = reception_of()
    tracemalloc.start()
    for batch in range(10_000):
        reception.times_ns.extend([batch] * 20)
        reception.reads.extend([read] * 20)
        reception.digest()
    kept_bytes, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reception.token_events == 200_000
    assert kept_bytes <= peak_bytes < 5_000_000


def test_b09_an_event_without_end_is_given_up_at_its_limit() -> None:
    """Over 64 MiB; reads of 256 KiB, each looked at as it comes."""
    read = chunk(b"x" * (256 << 10))
    reception = reception_of()
    errors = [feed(reception, [read], batch=1) for _ in range(257)]
    assert [error.kind for error in errors if error] == ["event_too_long"]
    assert errors[-1] is not None


def test_b09_an_event_of_60_mb_is_read() -> None:
    body = event(b'{"choices":[{"index":0,"delta":{"content":"' + b"x" * (60 << 20) + b'"}}]}')
    reception = reception_of()
    assert feed(reception, cut(chunk(body), range(0, len(body), 256 << 10)), batch=1) is None
    assert reception.token_events == 1
