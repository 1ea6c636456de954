"""Hours of use in minutes: streams in step through a real `serve`, a fifth of them left by their clients somewhere."""

import asyncio
import os
import random
import statistics
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from on_loop import run, until
from proxy.running import post
from scripted_engine import LAST_CHUNK, STREAM_HEAD, Call, Script, answering, sse, token, usage

from cli.command import Command, Started, lines_of
from cli.test_serve import StartEngine, get_json

STEP_S = 0.005
TOKENS = 200
LEAVERS = 0.2
PATIENCE_S = 30
MOST_GROWTH_KB = 1024
"""Of memory, from the fourth fifth of the run to the last. Before that histograms fill: each holds up to 50,000 values
as they are, some MB in all. Some 330 bytes that each request left behind would show in ten minutes."""


@dataclass
class Clients:
    """Closed loop; what each request came to is known by its id."""

    port: int
    streams: int
    seconds: float
    seed: int = 7
    ended: dict[str, str] = field(default_factory=dict)
    """`whole` or `left`, by request id."""
    whole_bytes: set[int] = field(default_factory=set)

    async def soak(self) -> None:
        end_s = asyncio.get_running_loop().time() + self.seconds
        await asyncio.gather(*(self._client(number, end_s) for number in range(self.streams)))

    async def _client(self, number: int, end_s: float) -> None:
        draw = random.Random(f"{self.seed}/{number}")
        await asyncio.sleep(draw.random() * STEP_S * TOKENS)
        count = 0
        while asyncio.get_running_loop().time() < end_s:
            name, count = f"soak-{number}-{count}", count + 1
            leave_after = draw.randrange(40_000) if draw.random() < LEAVERS else None
            async with asyncio.timeout(PATIENCE_S):
                self.ended[name] = await self._ask(name, leave_after)

    async def _ask(self, name: str, leave_after_bytes: int | None) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        body = b'{"model":"m","messages":[],"stream":true}'
        writer.write(post(body, b"X-Request-ID: " + name.encode()))
        got = 0
        try:
            while leave_after_bytes is None or got < leave_after_bytes:
                data = await reader.read(65536)
                assert data, f"{name} was cut after {got} bytes"
                got += len(data)
                if data.endswith(b"\r\n" + LAST_CHUNK):
                    self.whole_bytes.add(got)
                    return "whole"
            return "left"
        finally:
            writer.transport.abort()


@dataclass
class Watch:
    """Memory and descriptors of a process, now and then."""

    pid: int
    every_s: float
    rss_kb: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    async def look(self) -> None:
        while True:
            await asyncio.sleep(self.every_s)
            self.rss_kb.append(rss_kb(self.pid))
            self.descriptors.append(descriptors(self.pid))

    def growth_kb(self) -> float:
        """From the fourth fifth to the last."""
        fifth = len(self.rss_kb) // 5
        return statistics.median(self.rss_kb[-fifth:]) - statistics.median(self.rss_kb[-2 * fifth : -fifth])


def rss_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def in_steps() -> Script:
    """All streams get their next token at the same moments, as from an engine."""
    waiting: list[asyncio.Future[None]] = []
    stepper: list[asyncio.Task[None]] = []

    async def step() -> None:
        due_s = asyncio.get_running_loop().time()
        while True:
            due_s += STEP_S
            await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))
            ready, waiting[:] = waiting[:], []
            for each in ready:
                if not each.done():
                    each.set_result(None)

    async def stream(call: Call) -> None:
        if not stepper:
            stepper.append(asyncio.ensure_future(step()))
        text = token(" word")
        for number in range(TOKENS):
            turn = asyncio.get_running_loop().create_future()
            waiting.append(turn)
            await turn
            if call.writer.transport.is_closing():
                return
            call.writer.write(STREAM_HEAD + text if number == 0 else text)
        call.writer.write(token("", "length") + usage(TOKENS) + sse(b"[DONE]") + LAST_CHUNK)

    models = answering()

    async def script(call: Call) -> None:
        await (stream if call.request.line.startswith(b"POST") else models)(call)

    return script


def soaked(serving: Started, streams: int, seconds: float) -> tuple[Clients, Watch]:
    url = serving.url()
    clients = Clients(int(url.rpartition(":")[2]), streams, seconds)
    watch = Watch(serving.process.pid, seconds / 100)

    async def scenario() -> None:
        watching = asyncio.ensure_future(watch.look())
        await clients.soak()
        watching.cancel()
        await until(lambda: get_json(f"{url}/imax/stats")["in_flight"] == 0, "all requests to end")

    run(scenario(), deadline_s=seconds + 60)
    return clients, watch


def check_journal(rows: list[dict[str, Any]], clients: Clients) -> None:
    """Every exchange exactly once, and as its client saw it."""
    said = {row["request_id"]: row for row in rows if row["request_id"].startswith("soak-")}
    times = Counter(row["request_id"] for row in rows)
    assert set(said) == set(clients.ended)
    assert all(times[name] == 1 for name in said)
    whole = [name for name, how in clients.ended.items() if how == "whole"]
    assert {said[name]["outcome"] for name in whole} == {"completed"}
    assert {said[name]["usage"]["output_tokens"] for name in whole} == {TOKENS}
    left = Counter(said[name]["outcome"] for name in clients.ended if clients.ended[name] == "left")
    assert set(left) <= {"aborted", "completed"}  # it may have left when the end was on its way
    assert left["aborted"] >= 0.9 * left.total()


@pytest.mark.parametrize(
    ("streams", "seconds"),
    [
        (10, 2.0),
        pytest.param(25, float(os.environ.get("IMAXPROXY_SOAK_S", "600")), marks=pytest.mark.slow),
    ],
)
def test_a_soak_leaves_nothing(command: Command, start_engine: StartEngine, streams: int, seconds: float) -> None:
    """The long one: 5,000 events/s for ten minutes."""
    behind = start_engine(in_steps())
    serving = command.start("serve", "--upstream", behind.url, "--port", 0, "--out", "run", "--json")
    serving.url()
    before = descriptors(serving.process.pid)
    clients, watch = soaked(serving, streams, seconds)
    assert len(clients.whole_bytes) == 1  # all whole answers were the same
    after = descriptors(serving.process.pid)
    serving.send(15)
    summary = serving.wait().check(0).json
    assert after <= before + 2 * streams  # connections to the engine that wait for their next use
    assert max(watch.descriptors) <= before + 3 * streams + 5
    check_journal(lines_of(command.folder / "run/exchanges-0.jsonl"), clients)
    print(f"{len(clients.ended)} requests, {summary['tokens']}; RSS kB {watch.rss_kb[::10]}")
    if seconds > 60:
        assert watch.growth_kb() < MOST_GROWTH_KB, watch.rss_kb
