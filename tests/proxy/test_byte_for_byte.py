"""Both ways, by hash: every recorded answer of a real engine, and the request that it answered."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from on_loop import run, until
from scripted_engine import Call
from wire.streams import EXPECTED, Recorded, facts, names

from imaxproxy.metrics import Exchange, Flag
from imaxproxy.proxy import AskUsage
from imaxproxy.proxy.ask_usage import ask_usage
from imaxproxy.wire.framing import UntilClose
from proxy.running import Running, head_and_body, post, proxied
from proxy.test_usage_strip import PAIRS, payload, through

pytestmark = pytest.mark.usefixtures("hot_path")

RECORDED = [Recorded.load(name) for name in names()]
CLOSE = b"Connection: close"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Replaying:
    """An engine that answers with recordings, one after the other."""

    def __init__(self, framing: str) -> None:
        self.framing = framing
        self.recorded = RECORDED[0]

    async def answer(self, call: Call) -> None:
        recorded = self.recorded
        await call.send(recorded.head(self.framing), *recorded.chunks(self.framing))
        if recorded.aborted or self.framing == "until_close":
            call.close()


async def fetch(running: Running, recorded: Recorded) -> bytes:
    """The answer's body as the client gets it."""
    client = await running.connect()
    await client.send(post(recorded.request, CLOSE, path=recorded.path.encode()))
    received = await client.read_all()
    client.leave()
    return head_and_body(received)[1]


def relayed(recordings: Sequence[Recorded], framing: str, usage: AskUsage | None = None) -> list[tuple[bytes, bytes]]:
    """(what the engine was sent, what the client got) of each; the exchanges are looked at as well."""

    async def scenario() -> list[tuple[bytes, bytes]]:
        engine, found = Replaying(framing), []
        async with proxied(engine.answer, usage=usage) as running:
            for engine.recorded in recordings:
                got = await fetch(running, engine.recorded)
                await until(lambda: len(running.exchanges) == len(running.engine.requests), "its exchange to end")
                found.append((running.engine.requests[-1].body, got))
                check(engine.recorded, running.exchanges[-1], framing)
        return found

    return run(scenario(), deadline_s=60)


def check(recorded: Recorded, exchange: Exchange, framing: str) -> None:
    """What was measured is what `expected.json` says, whoever sat in between."""
    if recorded.dialect is None or (recorded.aborted and framing == "until_close"):
        return  # not measured; or its cut is its end
    expected = json.loads(EXPECTED.read_text())[recorded.name]
    if recorded.aborted:  # here the engine cut it off, not the client
        expected |= {"outcome": "truncated", "error": "cut", "ending": "cut", "detail": exchange.detail}
    found = facts(exchange)
    if exchange.ask.usage_asked:  # llama-cpp-python does not hear of it; `expected.json` knows no request
        found["flags"] = [flag for flag in found["flags"] if flag != Flag.NO_USAGE]
    assert found == expected


@pytest.mark.parametrize("framing", ["event", "odd", "until_close", "length"])
def test_every_recording_passes_unharmed(framing: str) -> None:
    recordings = [one for one in RECORDED if not (one.aborted and framing == "length")]
    assert len(recordings) > 75
    for recorded, (asked, got) in zip(recordings, relayed(recordings, framing), strict=True):
        assert sha256(asked) == sha256(recorded.request), recorded.name
        assert sha256(got) == sha256(recorded.bytes(framing)), recorded.name


@pytest.mark.parametrize("wanted", AskUsage)
def test_who_asks_for_usage_himself_is_changed_nothing(wanted: AskUsage) -> None:
    recordings = [
        one for one in RECORDED if b'"continuous_usage_stats": true' in one.request and b'"stream": true' in one.request
    ]
    assert len(recordings) >= 5
    for recorded, (asked, got) in zip(recordings, relayed(recordings, "event", wanted), strict=True):
        assert sha256(asked) == sha256(recorded.request)
        assert sha256(got) == sha256(recorded.bytes("event")), recorded.name


@pytest.mark.parametrize("framing", ["event", "three", "length", "until_close"])
def test_who_asks_for_none_sees_none_and_it_is_counted(framing: str) -> None:
    """`--ask-usage`: the engine is asked, the meter counts, the client sees the stream that it asked for."""
    pairs = [(Recorded.load(unasked), Recorded.load(asked)) for unasked, asked in PAIRS]
    pairs = [(unasked, asked) for unasked, asked in pairs if b'"stream": true' in unasked.request]
    assert len(pairs) >= 10

    async def scenario() -> None:
        engine = Replaying(framing)
        for wanted in AskUsage:
            async with proxied(engine.answer, usage=wanted) as running:
                for unasked, engine.recorded in pairs:
                    if engine.recorded.name.endswith("-usage") is not (wanted is AskUsage.FINAL):
                        continue
                    got = await fetch(running, replace(engine.recorded, request=unasked.request))
                    await until(lambda: len(running.exchanges) == len(running.engine.requests), "its exchange to end")
                    asked = ask_usage(unasked.path, unasked.request, wanted)
                    assert running.engine.requests[-1].body == asked.body != unasked.request
                    chunked = framing != "until_close"
                    assert (payload(got) if chunked else got) == seen(engine.recorded, wanted)
                    exchange = running.exchanges[-1]
                    assert exchange.ask.mutated == asked.mutated
                    assert facts(exchange) == json.loads(EXPECTED.read_text())[engine.recorded.name]

    run(scenario(), deadline_s=60)


def seen(recorded: Recorded, wanted: AskUsage) -> bytes:
    return through([recorded.body], UntilClose(), final=True, continuous=wanted is AskUsage.CONTINUOUS)


def test_an_old_client_gets_the_stream_without_chunks_and_usage() -> None:
    async def scenario() -> None:
        engine = Replaying("event")
        engine.recorded = Recorded.load("vllm-chat-stream-usage")
        async with proxied(engine.answer, usage=AskUsage.FINAL) as running:
            client = await running.connect()
            await client.send(post(b'{"stream":true}').replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n"))
            head, body = head_and_body(await client.read_all())
            assert b"chunked" not in head.lower()
            assert body == seen(engine.recorded, AskUsage.FINAL)

    run(scenario())


@pytest.mark.parametrize("cut_at", [700, 1500, -5])
def test_of_a_cut_stream_the_client_sees_all_and_the_cut(cut_at: int) -> None:
    """Also the event with a finish reason, which had waited for the usage behind it."""
    recorded = Recorded.load("vllm-chat-stream-usage")
    raw = recorded.bytes("event")[:cut_at]

    async def answer(call: Call) -> None:
        await call.send(recorded.head("event"), raw)
        call.close()

    async def scenario() -> None:
        async with proxied(answer, usage=AskUsage.FINAL) as running:
            client = await running.connect()
            await client.send(post(b'{"stream":true}'))
            body = head_and_body(await client.read_all())[1]
            assert not body.endswith(b"0\r\n\r\n")
            assert b'"usage":{' not in body
            texts = re.compile(rb'"content":"[^"]+"')
            assert texts.findall(body) == texts.findall(raw)
            assert (await running.exchange()).ending == "cut"

    run(scenario())
