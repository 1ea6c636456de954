"""A client that leaves, in every phase and by both ways of leaving: how soon the engine hears of it (C01 to C05)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from on_loop import run, until
from scripted_engine import STREAM_HEAD, Call, token

from imaxproxy.clock import NS_PER_MS, monotonic_ns
from imaxproxy.metrics import Outcome
from proxy.running import Running, Wire, post, proxied

WITHIN_MS = 50
BODIES = {True: b'{"stream":true,"messages":[]}', False: b'{"messages":[]}'}
PAGE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


@dataclass(frozen=True)
class Phase:
    """What the engine has said when the client leaves; whether the client has said all itself."""

    streamed: tuple[bytes, ...]
    whole: tuple[bytes, ...]
    unsent_bytes: int = 0


PHASES = {
    "in its own body": Phase((), (), 10),
    "before the head": Phase((), ()),
    "before the first token": Phase((STREAM_HEAD,), (PAGE_HEAD,)),
    "in mid-stream": Phase((STREAM_HEAD, token("a"), token("b")), (PAGE_HEAD, b'{"id":"x",')),
}
LEAVE: dict[str, Callable[[Wire], None]] = {"fin": lambda client: client.writer.close(), "rst": Wire.reset}


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("trials", [3, pytest.param(200, marks=pytest.mark.slow)])
def test_the_engine_hears_of_it(phase: str, how: str, trials: int, *, streamed: bool) -> None:
    """From the client's close to the end of the engine's connection; the slow run holds it to its limit.

    A client that leaves in its own body has not reached the engine at all: then to the exchange's end.
    """
    delays_ms = run(_trials(PHASES[phase], LEAVE[how], trials, streamed=streamed), deadline_s=120)
    p99_ms = sorted(delays_ms)[int(0.99 * trials)]
    print(f"{phase}, {how}, {'stream' if streamed else 'whole'}: p99 {p99_ms:.2f} ms, most {max(delays_ms):.2f} ms")
    if trials >= 200:
        assert p99_ms <= WITHIN_MS


async def _trials(phase: Phase, leave: Callable[[Wire], None], count: int, *, streamed: bool) -> list[float]:
    gone_ns: list[int] = []
    pieces = phase.streamed if streamed else phase.whole

    async def script(call: Call) -> None:
        await call.send(*pieces)
        await call.gone()
        gone_ns.append(monotonic_ns())

    delays_ms = []
    async with proxied(script) as running:
        for number in range(count):
            closed_ns = await _one(running, phase, pieces, leave, number, streamed=streamed)
            await until(lambda ended=number + 1: len(running.exchanges) == ended, "the exchange to end")
            if not phase.unsent_bytes:
                await until(lambda ended=number + 1: len(gone_ns) == ended, "the engine to hear of it")
                delays_ms.append((gone_ns[-1] - closed_ns) / NS_PER_MS)
            else:
                delays_ms.append((running.exchanges[-1].ended_ns - closed_ns) / NS_PER_MS)
        assert {(each.outcome, each.error) for each in running.exchanges} == {(Outcome.ABORTED, "client_left")}
        assert len(running.engine.requests) == len(gone_ns)
        assert repr(running.proxy).endswith(f"0 in flight, {count} done>")
        assert repr(running.fleet.upstreams[0].pool).endswith("0 busy, 0 idle>")
        assert running.fleet.upstreams[0].outstanding == 0
    return delays_ms


async def _one(
    running: Running,
    phase: Phase,
    pieces: tuple[bytes, ...],
    leave: Callable[[Wire], None],
    number: int,
    *,
    streamed: bool,
) -> int:
    """A client that leaves in this phase: when."""
    client = await running.connect()
    request = post(BODIES[streamed])
    await client.send(request[: len(request) - phase.unsent_bytes])
    if phase.unsent_bytes:
        await until(lambda: running.proxy._in_flight, "the head to be read")
    else:
        await until(lambda: len(running.engine.requests) == number + 1, "the engine to be asked")
    if pieces:
        await client.read_until(pieces[-1])
    closed_ns = monotonic_ns()
    leave(client)
    await asyncio.sleep(0)
    return closed_ns
