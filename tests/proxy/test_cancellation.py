"""A client that leaves aborts its request at the engine, whatever phase it is in: 16 cells, C01 to C05.

A FIN may also be a half-close: test_half_closed.py.
"""

import asyncio
import socket
from dataclasses import dataclass, field

import pytest
from on_loop import run, until
from scripted_engine import STREAM_HEAD, Call, Script, page, sse, token

from imaxproxy.clock import NS_PER_MS, monotonic_ns
from imaxproxy.metrics import Ending, Outcome
from proxy.running import Running, Wire, post, proxied

pytestmark = pytest.mark.usefixtures("hot_path")

TRIALS = 200
LIMIT_MS = 50
STREAM, WHOLE = b'{"stream":true,"messages":[]}', b'{"messages":[]}'
HALF_A_PAGE = page(200, b'{"choices":[{"text":"long"}]}')[:-12]


@dataclass
class Ended:
    """When the engine saw the end of each request."""

    at_ns: list[int] = field(default_factory=list)


def engine(ended: Ended, *pieces: bytes, paced: bool = False) -> Script:
    """Sends this, then nothing more, or an event each 5 ms, until the peer is gone."""

    async def script(call: Call) -> None:
        await call.send(*pieces)
        more = asyncio.ensure_future(events(call)) if paced else None
        await call.gone()
        ended.at_ns.append(monotonic_ns())
        if more is not None:
            more.cancel()
        call.close()

    return script


async def events(call: Call) -> None:
    while not call.writer.transport.is_closing():
        call.writer.write(token(" more"))
        await asyncio.sleep(0.005)


@dataclass(frozen=True)
class Phase:
    """Where in its life the request is left."""

    answer: tuple[bytes, ...]
    """What the engine sends before."""
    seen: bytes
    """What the client waits for before it leaves."""
    paced: bool = False


PHASES = {
    ("stream", "waits for a head"): Phase((), b""),
    ("stream", "waits for the first event"): Phase((STREAM_HEAD,), b"\r\n\r\n"),
    ("stream", "waits for the first token"): Phase((STREAM_HEAD, sse({"choices": []})), b"}\n\n"),
    ("stream", "in mid-stream"): Phase((STREAM_HEAD, token(" one")), b" one", paced=True),
    ("stream", "in a stall"): Phase((STREAM_HEAD, token(" one"), token(" two")), b" two"),
    ("whole", "waits for a head"): Phase((), b""),
    ("whole", "in the body"): Phase((HALF_A_PAGE,), b'{"choices"'),
}


def leave(client: Wire, how: str) -> None:
    connection = client.writer.get_extra_info("socket")
    if how == "RST":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.writer.transport.abort()


async def left_at_ns(running: Running, body: bytes, phase: Phase, how: str) -> int:
    client = await running.connect()
    asked = len(running.engine.requests)
    await client.send(post(body))
    await until(lambda: len(running.engine.requests) > asked, "the engine to be asked")
    if phase.seen:
        await client.read_until(phase.seen)
    at_ns = monotonic_ns()
    leave(client, how)
    running.clients.clear()
    return at_ns


def p99(ordered: list[float]) -> float:
    return ordered[len(ordered) * 99 // 100]


@pytest.mark.parametrize("trials", [3, pytest.param(TRIALS, marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize(("kind", "when"), PHASES)
def test_the_engine_hears_of_it(kind: str, when: str, how: str, trials: int) -> None:
    phase, ended = PHASES[kind, when], Ended()
    body = STREAM if kind == "stream" else WHOLE

    async def scenario() -> list[float]:
        async with proxied(engine(ended, *phase.answer, paced=phase.paced)) as running:
            took_ms = []
            for trial in range(trials):
                at_ns = await left_at_ns(running, body, phase, how)
                await until(lambda: len(ended.at_ns) > trial, "the engine to hear of it")  # noqa: B023
                took_ms.append((ended.at_ns[trial] - at_ns) / NS_PER_MS)
            await until(lambda: len(running.exchanges) == trials, "all to be noted")
            said = {(each.outcome, each.ending) for each in running.exchanges}
            assert said == {(Outcome.ABORTED, Ending.CLIENT_LEFT)}
            return sorted(took_ms)

    took_ms = run(scenario(), deadline_s=60)
    if trials == TRIALS:
        middle, tail, most = took_ms[trials // 2], p99(took_ms), took_ms[-1]
        print(f"{kind}, {when}, {how}: p50 {middle:.2f} ms, p99 {tail:.2f}, max {most:.2f}")
        assert p99(took_ms) < LIMIT_MS


async def nobody(call: Call) -> None:
    raise AssertionError("half a request reached the engine")


@pytest.mark.parametrize("trials", [3, pytest.param(TRIALS, marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", ["FIN", "RST"])
def test_half_a_request_asks_no_engine(how: str, trials: int) -> None:
    """In its own body: there is nothing to abort, and it is noted all the same."""

    async def scenario() -> None:
        async with proxied(nobody) as running:
            for trial in range(trials):
                client = await running.connect()
                await client.send(post(STREAM)[:-5])
                await asyncio.sleep(0.002)
                leave(client, how)
                await until(lambda: len(running.exchanges) > trial, "it to be noted")  # noqa: B023
            assert {each.ending for each in running.exchanges} == {Ending.CLIENT_LEFT}

    run(scenario(), deadline_s=60)
