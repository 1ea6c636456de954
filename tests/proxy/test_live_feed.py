"""`/imax/live` over real sockets: what is in flight shows, and no viewer holds anything up."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from on_loop import run, until
from scripted_engine import STREAM_HEAD, Call, Script, sse, token, usage

from imaxproxy.clock import NS_PER_S, monotonic_ns
from imaxproxy.live.feed import Beside, SnapshotMaker
from imaxproxy.live.feed.proxy_page import ProxyPage
from imaxproxy.proxy import Admission, Allowance, FleetRules, KeyRing, LocalBoard, Timeouts
from imaxproxy.proxy.views import Views
from imaxproxy.runs import RunDirectory
from proxy.running import Running, Wire, get, post, proxied

QUICK_S = 0.01


@asynccontextmanager
async def watched(
    gate: asyncio.Event,
    admission: Admission | None = None,
    rules: FleetRules | None = None,
    script: Script | None = None,
) -> AsyncIterator[Running]:
    """A proxy whose looks come quickly; its engine sends three tokens, and the rest when `gate` opens."""

    async def three_tokens(call: Call) -> None:
        await call.send(STREAM_HEAD, token(" a"), token(" b"), token(" c"))
        await gate.wait()
        await call.send(token(" d", "stop"), usage(8), sse(b"[DONE]") + b"0\r\n\r\n")

    with patch("imaxproxy.proxy.board.pause_ns", lambda _cost: QUICK_S * NS_PER_S):
        beside = Beside(RunDirectory(Path("no-such-run")), None, {})
        board = LocalBoard(live=ProxyPage(SnapshotMaker("serve", "a title", monotonic_ns(), beside), None))
        async with proxied(script or three_tokens, admission=admission, rules=rules, board=board) as running:
            yield running


class Viewer:
    """Reads the feed, event by event."""

    def __init__(self, wire: Wire) -> None:
        self._wire, self.head = wire, b""

    @classmethod
    async def of(cls, running: Running, *headers: bytes) -> "Viewer":
        viewer = cls(await running.connect())
        await viewer._wire.send(get(b"/imax/live", *headers))
        viewer.head = await viewer._wire.read_until(b"\r\n\r\n")
        return viewer

    async def next(self) -> Any:  # noqa: ANN401
        while True:
            size = int(await self._wire.read_until(b"\r\n"), 16)
            if not size:
                return None
            event = (await self._wire.read(size + 2))[:-2]
            if event.startswith(b"data: "):
                return json.loads(event[6:])

    async def until(self, wanted: Any) -> Any:  # noqa: ANN401
        while True:
            snapshot = await self.next()
            assert snapshot is not None
            if wanted(snapshot):
                return snapshot


def test_a_stream_in_flight_shows_before_it_ends_and_counts_after() -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        async with watched(gate) as running:
            viewer = await Viewer.of(running)
            assert b"text/event-stream" in viewer.head
            assert b"no-store" in viewer.head
            client = await running.connect()
            await client.send(post(b'{"stream": true}', b"X-Imax-Tag: team=red"))
            snapshot = await viewer.until(lambda each: each["in_flight"]["streams"] and each["now"]["ttft_ms"]["count"])
            assert snapshot["schema"] == "imaxproxy.live/1"
            assert (snapshot["title"], snapshot["source"], snapshot["simulated"]) == ("a title", "serve", False)
            (stream,) = snapshot["in_flight"]["streams"]
            assert (stream["state"], stream["model"], stream["tag"]) == ("streaming", "m", "team=red")
            seen = await viewer.until(lambda each: each["in_flight"]["streams"][0]["tokens"] == 3)
            assert (seen["run"]["requests"]["sent"], seen["now"]["tokens_by"]) == (0, "events")
            assert seen["now"]["itl_ms"]["count"] == 2
            assert seen["by"]["tag"]["team=red"]["in_flight"] == 1
            gate.set()
            done = await viewer.until(lambda each: each["run"]["requests"]["completed"] == 1)
            assert (done["in_flight"]["count"], done["run"]["tokens"]["output"]) == (0, 8)
            assert done["now"]["tokens_by"] == "usage"
            assert [each["e2e_ms"] > 0 for each in done["slowest"]] == [True]
            assert done["by"]["model"]["m"]["requests"] == 1
            assert done["by"]["upstream"][running.engine.url]["up"] is True
            assert sum(count for _, count in done["run"]["ttft_ms"]["buckets"]) == 1

    run(scenario())


def test_a_stream_that_stalls_is_given_up_though_it_is_watched() -> None:
    """A look takes in what waits to be digested; that is no sign of life of the engine."""

    async def scenario() -> None:
        rules = FleetRules(timeouts=Timeouts(idle_s=0.1))
        async with watched(asyncio.Event(), rules=rules) as running:
            viewer = await Viewer.of(running)
            await viewer.next()
            client = await running.connect()
            await client.send(post())
            done = await viewer.until(lambda each: each["errors"])
            assert done["errors"] == {"timeout_idle": 1}
            assert (done["run"]["requests"]["truncated"], done["now"]["errors"]) == (1, 1)

    run(scenario())


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (b'{"messages": [{"content": "x"}], "model": "asked"}', "asked"),
        (b'{"model": 5}', None),
        (b"no json", None),
        (b'{"model": "' + b"m" * 500 + b'"}', None),
        (b'{"model": "asked", "messages": [' + b'"",' * 5000 + b'""]}', None),  # would take a look too long
    ],
)
def test_who_waits_is_known_by_the_model_that_was_asked_for(body: bytes, model: str | None) -> None:
    async def silent(call: Call) -> None:
        await call.gone()

    async def scenario() -> None:
        async with watched(asyncio.Event(), script=silent) as running:
            viewer = await Viewer.of(running)
            client = await running.connect()
            await client.send(post(body))
            waiting = await viewer.until(lambda each: each["in_flight"]["waiting"] == 1)
            (stream,) = waiting["in_flight"]["streams"]
            assert (stream["state"], stream["ttft_ms"], stream["model"]) == ("waiting", None, model)

    run(scenario())


def test_once_is_one_snapshot_that_knows_rates() -> None:
    async def scenario() -> None:
        async with watched(asyncio.Event()) as running:
            head, body = await running.ask(get(b"/imax/live?once=1"))
            snapshot = json.loads(body)
            assert b"application/json" in head
            assert snapshot["now"]["requests_per_s"] == 0.0
            assert snapshot["now"]["seconds"] > 0

    run(scenario())


def test_nobody_looks_when_the_last_viewer_has_gone() -> None:
    async def scenario() -> None:
        with patch("imaxproxy.proxy.views.LINGER_S", QUICK_S):
            async with watched(asyncio.Event()) as running:
                assert not running.proxy._meter.is_on
                viewer = await Viewer.of(running)
                await viewer.next()
                assert running.proxy._meter.is_on
                viewer._wire.leave()
                await until(lambda: not running.proxy._meter.is_on, "the looking to end")
                other = await Viewer.of(running)
                assert (await other.next())["now"]["seconds"] == 0

    run(scenario())


def test_a_viewer_that_does_not_read_holds_up_nobody() -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        gate.set()
        async with watched(gate) as running:
            lagging = await running.connect_lagging()
            await lagging.send(get(b"/imax/live"))
            views: Views = running.proxy._board.views
            await until(lambda: views.number > 100, "snapshots of more bytes than the socket and its buffer take")
            other = await Viewer.of(running)
            client = await running.connect()
            await client.send(post())
            done = await other.until(lambda each: each["run"]["requests"]["completed"] == 1)
            assert done["errors"] == {}
            (side,) = [each for each in running.proxy._front.connections if each.transport.get_write_buffer_size()]
            assert side.transport.get_write_buffer_size() < 200_000

    run(scenario())


def test_who_comes_over_a_network_must_show_a_key() -> None:
    async def scenario() -> None:
        async with watched(asyncio.Event()) as running:
            with patch("imaxproxy.proxy.own_pages.may_watch", return_value=False):
                head, body = await running.ask(get(b"/imax/live"))
                assert head.startswith(b"HTTP/1.1 403 ")
                assert "--keys" in json.loads(body)["detail"]
        with_keys = Admission(read_keys=lambda: KeyRing(["alice:sk-secret-of-alice"], "keys", Allowance()))
        async with watched(asyncio.Event(), with_keys) as running:
            with patch("imaxproxy.proxy.own_pages.may_watch", return_value=False):
                head, _ = await running.ask(get(b"/imax/live"))
                assert head.startswith(b"HTTP/1.1 401 ")
                viewer = await Viewer.of(running, b"Authorization: Bearer sk-secret-of-alice")
                assert (await viewer.next())["schema"] == "imaxproxy.live/1"

    run(scenario())


def test_viewers_are_let_go_when_the_proxy_retires() -> None:
    async def scenario() -> None:
        async with watched(asyncio.Event()) as running:
            viewer = await Viewer.of(running)
            await viewer.next()
            retiring = asyncio.ensure_future(running.proxy.retire())
            while await viewer.next() is not None:
                pass
            running.leave()
            await retiring

    run(scenario())
