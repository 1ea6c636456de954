"""The ways in which engines and clients fail, over real sockets: what the client sees, what is recorded, what is left.

Each fault once in the quick suite, and a sample of them many times; each a thousand times with `-m slow`.
"""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from on_loop import run, until
from scripted_engine import LAST_CHUNK, STREAM_HEAD, Call, Script, page, sse, token, whole_stream

from imaxproxy.metrics import Ending, Outcome
from imaxproxy.proxy.call import Call as ProxyCall
from imaxproxy.proxy.relayed import Relay
from imaxproxy.wire import EngineConnection, Reception
from proxy.running import Running, Wire, post, proxied

pytestmark = pytest.mark.usefixtures("hot_path")

TIMES = 1000
WARM = 30
OURS = (ProxyCall, Relay, Reception, EngineConnection)
BODY = b'{"model":"m","messages":[],"stream":true}'
REQUEST = post(BODY)
WHOLE = b"".join(whole_stream(3))
SOME = STREAM_HEAD + token(" one") + token(" two")
Client = Callable[[Wire], Awaitable[bytes]]
"""Asks, and gives what it saw; nothing for one that left."""


# Engines --------------------------------------------------------------------------------------------------------------


def says(*pieces: bytes, then: str = "stay") -> Script:
    """An engine that sends this, and then stays, closes or resets."""

    async def script(call: Call) -> None:
        await call.send(*pieces)
        if then == "close":
            call.close()
        elif then == "reset":
            await asyncio.sleep(0.002)  # what was sent goes out first
            call.reset()

    return script


async def stalls(call: Call) -> None:
    await call.send(SOME)
    await call.gone()
    call.close()


async def never_answers(call: Call) -> None:
    await call.gone()
    call.close()


# Clients --------------------------------------------------------------------------------------------------------------


async def reads_all(client: Wire) -> bytes:
    await client.send(post(BODY, b"Connection: close"))
    return await client.read_all()


async def leaves_before_the_head(client: Wire) -> bytes:
    await client.send(REQUEST)
    await asyncio.sleep(0.003)
    client.leave()
    return b""


async def leaves_in_mid_stream(client: Wire) -> bytes:
    await client.send(REQUEST)
    await client.read_until(b" two")
    client.leave()
    return b""


async def leaves_in_its_body(client: Wire) -> bytes:
    await client.send(REQUEST[:-10])
    await asyncio.sleep(0.003)
    client.leave()
    return b""


# The matrix -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """A cell: who does what, and what must come of it."""

    engine: Script
    client: Client
    seen: bytes
    """The start of what the client gets."""
    whole: bool
    """The answer ends as HTTP says; else its client can tell that it was cut."""
    outcome: Outcome
    ending: Ending


def engine_fault(engine: Script, seen: bytes, whole: bool, outcome: Outcome, ending: Ending) -> Fault:
    return Fault(engine, reads_all, seen, whole, outcome, ending)


OK, BAD_GATEWAY = b"HTTP/1.1 200", b"HTTP/1.1 502"
FAILED, TRUNCATED, ABORTED, COMPLETED = Outcome.FAILED, Outcome.TRUNCATED, Outcome.ABORTED, Outcome.COMPLETED
ERROR = sse({"error": {"message": "out of memory", "code": 500}})
FINISHED = STREAM_HEAD + token(" one", "stop")
RETRY = b"Retry-After: 7"
FAULTS = {
    "A01 nothing": engine_fault(says(WHOLE), OK, True, COMPLETED, Ending.COMPLETE),
    "A02 FIN in mid-stream": engine_fault(says(SOME, then="close"), OK, False, TRUNCATED, Ending.CUT),
    "A02 FIN inside a chunk": engine_fault(says(SOME + b"2f\r\nda", then="close"), OK, False, TRUNCATED, Ending.CUT),
    "A03 RST in mid-stream": engine_fault(says(SOME, then="reset"), OK, False, TRUNCATED, Ending.RESET),
    "A04 a clean end without any": engine_fault(says(SOME + LAST_CHUNK), OK, True, TRUNCATED, Ending.NO_END),
    "A05 no [DONE]": engine_fault(says(FINISHED + LAST_CHUNK), OK, True, COMPLETED, Ending.NO_TERMINATOR),
    "A06 no finish reason": engine_fault(
        says(SOME + sse(b"[DONE]") + LAST_CHUNK), OK, True, TRUNCATED, Ending.NO_FINISH_REASON
    ),
    "A07 error, then [DONE]": engine_fault(
        says(SOME + ERROR + sse(b"[DONE]") + LAST_CHUNK), OK, True, FAILED, Ending.ERROR_EVENT
    ),
    "A08 error, then a clean end": engine_fault(says(SOME + ERROR + LAST_CHUNK), OK, True, FAILED, Ending.ERROR_EVENT),
    "A10 finish reason abort": engine_fault(
        says(STREAM_HEAD + token(" x", "abort") + sse(b"[DONE]") + LAST_CHUNK),
        OK, True, TRUNCATED, Ending.BROKEN_OFF,
    ),
    "A11 one bad event": engine_fault(
        says(SOME + sse(b"{oops") + token("", "stop") + sse(b"[DONE]") + LAST_CHUNK),
        OK, True, COMPLETED, Ending.COMPLETE,
    ),
    "A14 stalls, and its client leaves": Fault(stalls, leaves_in_mid_stream, b"", False, ABORTED, Ending.CLIENT_LEFT),
    "A16 FIN before a head": engine_fault(says(then="close"), BAD_GATEWAY, True, FAILED, Ending.NO_RESPONSE),
    "A16 RST before a head": engine_fault(says(then="reset"), BAD_GATEWAY, True, FAILED, Ending.RESET),
    "A17 429": engine_fault(says(page(429, b"{}", RETRY)), b"HTTP/1.1 429", True, FAILED, Ending.ERROR_ANSWER),
    "A17 500 in HTML": engine_fault(
        says(page(500, b"<html>no</html>")), b"HTTP/1.1 500", True, FAILED, Ending.ERROR_ANSWER
    ),
    "A18 a body that ends early": engine_fault(
        says(page(200, b'{"a":1}')[:-3], then="close"), OK, False, TRUNCATED, Ending.CUT
    ),
    "A18 a body that goes on": engine_fault(
        says(page(200, b"{}") + b"HTTP/1.1 garbage"), OK, False, FAILED, Ending.UNREADABLE
    ),
    "A21 early hints": engine_fault(
        says(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + WHOLE), OK, True, COMPLETED, Ending.COMPLETE
    ),
    "B11 a chunk size that is none": engine_fault(
        says(SOME + b"zz\r\nx\r\n"), OK, False, FAILED, Ending.UNREADABLE
    ),
    "no HTTP": engine_fault(says(b"SSH-2.0-OpenSSH\r\n\r\n"), BAD_GATEWAY, True, FAILED, Ending.UNREADABLE),
    "C02 leaves before the head": Fault(
        never_answers, leaves_before_the_head, b"", False, ABORTED, Ending.CLIENT_LEFT
    ),
    "C04 leaves in mid-stream": Fault(stalls, leaves_in_mid_stream, b"", False, ABORTED, Ending.CLIENT_LEFT),
    "C09 leaves in its body": Fault(says(WHOLE), leaves_in_its_body, b"", False, ABORTED, Ending.CLIENT_LEFT),
}  # fmt: skip


async def once(running: Running, fault: Fault) -> bytes:
    """The fault, from connect to the exchange that is noted."""
    client, noted = await running.connect(), len(running.exchanges)
    seen = await fault.client(client)
    client.leave()
    await until(lambda: len(running.exchanges) > noted, "the exchange to be noted")
    return seen


def is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    named = head.lower().partition(b"content-length:")[2]
    return len(body) == int(named.partition(b"\r\n")[0]) if named else body.endswith(LAST_CHUNK)


@pytest.mark.parametrize("name", FAULTS)
def test_what_its_client_sees_and_what_is_recorded(name: str) -> None:
    fault = FAULTS[name]

    async def scenario() -> None:
        async with proxied(fault.engine) as running:
            seen = await once(running, fault)
            (exchange,) = running.exchanges
            assert (exchange.outcome, exchange.ending) == (fault.outcome, fault.ending), exchange
            assert seen.startswith(fault.seen)
            if seen:
                assert is_whole(seen) is fault.whole, seen

    run(scenario())


# What is left ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Left:
    """What a leak would add to."""

    descriptors: int
    tasks: int
    objects: int

    @classmethod
    def now(cls) -> "Left":
        gc.collect()
        objects = sum(isinstance(each, OURS) for each in gc.get_objects())
        return cls(len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()), objects)


def rss_kb() -> int:
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0])


async def repeated(running: Running, fault: Fault, times: int) -> None:
    for _ in range(times):
        await once(running, fault)
        running.exchanges.clear()
        running.clients.clear()
        running.engine.requests.clear()


@pytest.mark.parametrize(
    ("name", "times"),
    [
        *[pytest.param(name, TIMES, marks=pytest.mark.slow) for name in FAULTS],
        *[(name, 40) for name in list(FAULTS)[1::4]],
    ],
)
def test_nothing_is_left(name: str, times: int) -> None:
    """Neither sockets nor tasks nor what stands for a request. Memory, where there are enough of them to tell."""
    fault = FAULTS[name]

    async def scenario() -> None:
        async with proxied(fault.engine) as running:
            await repeated(running, fault, WARM)
            await until(lambda: Left.now().tasks <= 3, "the first ones to be gone")
            before, memory_kb = Left.now(), rss_kb()
            await repeated(running, fault, times)
            await until(lambda: not exceeds(Left.now(), before), "all to be gone")
            if times >= TIMES:
                assert rss_kb() - memory_kb < 3072

    run(scenario(), deadline_s=120)


def exceeds(now: Left, before: Left) -> bool:
    """The pool may hold another connection than before, not one more."""
    return now.descriptors > before.descriptors or now.tasks > before.tasks or now.objects > before.objects
