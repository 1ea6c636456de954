"""The measuring proxy: engines behind, any OpenAI client in front, an Exchange for each request."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aiohttp import web

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.errors import WireError
from imaxproxy.metrics import Ask, Exchange, Outcome, Tally
from imaxproxy.proxy.call import Call
from imaxproxy.proxy.fleet import Fleet
from imaxproxy.proxy.front import Front
from imaxproxy.proxy.models import MODELS_PATH
from imaxproxy.proxy.models_page import ModelsPage
from imaxproxy.proxy.own_pages import OwnPages
from imaxproxy.proxy.page import error_page
from imaxproxy.proxy.relayed import Relay, Relayed
from imaxproxy.proxy.request_body import whole_body
from imaxproxy.proxy.request_head import request_bytes
from imaxproxy.proxy.timeouts import Watch
from imaxproxy.proxy.upstream import Attempt
from imaxproxy.wire import DIALECTS, Answered, EngineConnection, Question, keyless

Sink = Callable[[Exchange], None]
CLIENT_LEFT = WireError("client_left", "the client closed its connection")
STOPPED = WireError("stopped", "the proxy was stopped")


class Proxy:
    """Relays and measures. Produces Exchanges into `sink` and knows no file."""

    def __init__(
        self,
        fleet: Fleet,
        sink: Sink,
        engine: dict[str, Any] | None = None,
        clock_ns: Clock = monotonic_ns,
    ) -> None:
        self._fleet = fleet
        self._sink = sink
        self._clock_ns = clock_ns
        self._tally = Tally()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._front = Front(self._handle)
        self._server: asyncio.Server | None = None
        self._stopped = False
        self._models = ModelsPage(fleet) if fleet.rules.models or not fleet.single else None
        self._watch = Watch(fleet.rules.timeouts, clock_ns)
        self._pages = OwnPages(fleet, self._tally, lambda: self._in_flight, engine, clock_ns)

    def __repr__(self) -> str:
        return f"<Proxy to {self._fleet} | {self._in_flight} in flight, {self._tally.sent} done>"

    async def listen(self, door: socket.socket) -> None:
        """Accept the clients that come to `door`, a socket that `bind` made."""
        self._server = await asyncio.get_running_loop().create_server(self._front, sock=door)
        self._fleet.start()

    async def drain(self, timeout_s: float) -> bool:
        """Take no new connections, let streams in flight end; True when all did."""
        self._shut_door()
        self._front.pre_shutdown()
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Drop what is left: it is recorded as aborted."""
        self._stopped = True
        self._shut_door()
        await self._front.shutdown(timeout=0.1)
        self._watch.close()
        self._fleet.close()

    def _shut_door(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._models is not None and request.path == MODELS_PATH and request.method == "GET":
            return await self._models.page(request)
        page = self._pages.get(request.path)
        if page is not None:
            return await page()
        call = Call.of(request, self._clock_ns())
        if call is None:
            raise asyncio.CancelledError
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._answer(call)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def _answer(self, call: Call) -> web.StreamResponse:
        ask = call.ask
        try:
            call.body = await whole_body(call.request, call.transport)
            attempt = await self._fleet.connect(call)
        except WireError as error:
            self._note(Exchange(ask, Outcome.FAILED, self._clock_ns(), error=error.kind, detail=str(error)))
            return error_page(error)
        except asyncio.CancelledError:
            self._note(Exchange(ask, Outcome.ABORTED, self._clock_ns(), error=self._why_dropped().kind))
            raise
        relay = Relay(call.request, call.transport)
        url, body = attempt.upstream.url, self._fleet.body_for(attempt.upstream, call.body)
        data = request_bytes(call.request, body, url)
        question = Question(data, DIALECTS.get(ask.path), call.request.method, relay.on_head)
        answered, dropped = await self._put(attempt, call, question)
        ask = replace(ask, sent_ns=answered.sent_ns, connect_ns=attempt.connect_ns, retried=attempt.retried)
        ask = replace(ask, upstream=None if self._fleet.single else str(url))
        self._note(keyless(_exchange(ask, answered), data))
        self._fleet.finish(attempt, answered)
        if dropped:
            raise asyncio.CancelledError
        if relay.status is None:
            assert answered.broken is not None
            return error_page(answered.broken)
        await call.client.drained()  # else a slow reader's next answer, or the proxy's end, would come over its rest
        # A client must see that its answer was cut: without the last chunk, on a connection that closes.
        return Relayed(relay.status, keep_alive=relay.keep_alive and answered.broken is None)

    async def _put(self, attempt: Attempt, call: Call, question: Question) -> tuple[Answered, bool]:
        """Have the engine answer: what came, and whether nobody is left to read it.

        Once more, on a fresh connection, when the one it was put to turns out to have been closed while it was idle.
        """
        answered, dropped = await self._ask(attempt.engine, call, question)
        if dropped or not attempt.is_stale(answered):
            return answered, dropped
        try:
            await attempt.renew()
        except WireError as error:
            return replace(answered, broken=error, ended_ns=self._clock_ns()), False
        except asyncio.CancelledError:
            return replace(answered, broken=self._why_dropped(), ended_ns=self._clock_ns(), silent=False), True
        return await self._ask(attempt.engine, call, question)

    async def _ask(self, engine: EngineConnection, call: Call, question: Question) -> tuple[Answered, bool]:
        call.client.engine = engine
        self._watch.add(engine, call.ask.started_ns)
        try:
            return await engine.ask(question), False
        except asyncio.CancelledError:
            return engine.give_up(self._why_dropped()), True
        finally:
            self._watch.remove(engine)
            call.client.engine = None
            engine.resume()  # a client that lagged at the end has paused it; the next exchange needs its reads

    def _why_dropped(self) -> WireError:
        return STOPPED if self._stopped else CLIENT_LEFT

    def _note(self, exchange: Exchange) -> None:
        self._sink(exchange)
        self._tally.add(exchange)


def _exchange(ask: Ask, answered: Answered) -> Exchange:
    broken = answered.broken
    aborted = broken.kind if broken in (CLIENT_LEFT, STOPPED) else None
    if answered.reception is not None:
        return answered.reception.close(ask, answered.ended_ns, broken, aborted)
    assert broken is not None  # a whole answer has a reception
    outcome = Outcome.ABORTED if aborted else Outcome.FAILED
    return Exchange(ask, outcome, answered.ended_ns, error=broken.kind, detail=str(broken))
