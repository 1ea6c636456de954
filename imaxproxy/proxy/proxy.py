"""The measuring proxy: engines behind, any OpenAI client in front, an Exchange for each request."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aiohttp import web

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.errors import WireError
from imaxproxy.metrics import Ask, Exchange, LiveMeter, Outcome, Totals, Underway
from imaxproxy.proxy.admission import Admission
from imaxproxy.proxy.ask_usage import AskUsage, ask_usage
from imaxproxy.proxy.beside import beside
from imaxproxy.proxy.board import Board, LocalBoard
from imaxproxy.proxy.call import Call
from imaxproxy.proxy.capture import Capture
from imaxproxy.proxy.fleet import Fleet
from imaxproxy.proxy.front import ClientSide, Front
from imaxproxy.proxy.merged import Gauges
from imaxproxy.proxy.models import MODELS_PATH
from imaxproxy.proxy.models_page import ModelsPage
from imaxproxy.proxy.own_pages import LIVE_PAGE_SHORT, OwnPages
from imaxproxy.proxy.page import error_page
from imaxproxy.proxy.refused import Refused
from imaxproxy.proxy.relayed import Relay, Relayed
from imaxproxy.proxy.request_body import whole_body
from imaxproxy.proxy.request_head import request_bytes
from imaxproxy.proxy.site import Site
from imaxproxy.proxy.timeouts import Watch
from imaxproxy.proxy.upstream import Attempt
from imaxproxy.wire import DIALECTS, Answered, EngineConnection, Question, Reception, gap_counter, keyless

Sink = Callable[[Exchange], None]
"""May be called in another thread, for a very long answer."""
CLIENT_LEFT = WireError("client_left", "the client closed its connection")
LONG_ANSWER_EVENTS = 20_000
"""From here on a thread makes the record: 6 ms at a stretch would show in the delays of others."""
_RETIRED_LOOK_S = 0.05
STOPPED = WireError("stopped", "the proxy was stopped")


class Proxy:
    """Relays and measures. Produces Exchanges into `sink` and knows no file."""

    def __init__(
        self,
        fleet: Fleet,
        sink: Sink,
        engine: dict[str, Any] | None = None,
        clock_ns: Clock = monotonic_ns,
        admission: Admission | None = None,
        board: Board | None = None,
        usage: AskUsage | None = None,
        capture: Capture | None = None,
        site: Site | None = None,
    ) -> None:
        """usage: what to ask of engines for the meter's sake, and to take out of what clients see.
        site: the live page's files.
        """
        self._usage = usage
        self._admission = admission if admission is not None else Admission()
        self._fleet = fleet
        self._sink, self._capture = sink, capture
        self._clock_ns = clock_ns
        self._board = board or LocalBoard(engine)
        self._calls: set[Underway] = set()
        self._meter = LiveMeter(self._calls, clock_ns, count_gaps=gap_counter())
        self._board.watch(self._gauges, self._admission.refused, self._meter)
        self._in_flight = self._done = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._front = Front(self._handle, self._admission.limits, self._admission.refused)
        self._server: asyncio.Server | None = None
        self._stopped = self._retiring = False
        self._models = ModelsPage(fleet, self._admission) if fleet.rules.models or not fleet.single else None
        self._watch = Watch(fleet.rules.timeouts, clock_ns)
        self._admission.open([LIVE_PAGE_SHORT, *(site or ())])
        self._pages = OwnPages(fleet, self._board, engine, clock_ns, self._admission, site)

    def __repr__(self) -> str:
        return f"<Proxy to {self._fleet} | {self._in_flight} in flight, {self._done} done>"

    async def listen(self, door: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Accept the clients that come to `door`, a socket that `bind` made."""
        handshake_s = None if tls is None else self._admission.limits.head_s
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._front, sock=door, ssl=tls, ssl_handshake_timeout=handshake_s)
        self._fleet.start(self._admission.credential_for)

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

    async def retire(self) -> None:
        """Take no new connections and let the clients that are here go: each is told so with its next answer.

        Unlike in `drain`, no connection is closed on which a client may be sending its next request just now. Ends when
        the last client has gone, which idle ones do in time.
        """
        self._shut_door()
        self._retiring = True
        self._board.views.end()
        while self._front.connections:
            await asyncio.sleep(_RETIRED_LOOK_S)

    async def close(self) -> None:
        """Drop what is left: it is recorded as aborted."""
        self._stopped = True
        self._shut_door()
        self._board.views.end()
        await self._front.shutdown(timeout=0.1)
        self._watch.close()
        self._fleet.close()

    def _shut_door(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        client = request.protocol
        assert isinstance(client, ClientSide)
        client.is_answered = False
        try:
            response = await self._respond(request)
        finally:
            client.is_answered = True
        if (self._retiring or client.has_said_all) and not isinstance(response, Relayed):
            response.force_close()
        return response

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        try:
            account = self._admission.account_of(request)
        except Refused as refused:
            return error_page(refused, path)
        if self._models is not None and path == MODELS_PATH and request.method == "GET":
            return await self._models.page(request)
        page = self._pages.get(path)
        if page is not None:
            return await page(request)
        call = Call.of(request, self._clock_ns(), account)
        if call is None:
            raise asyncio.CancelledError
        try:
            account.enter(call.ask.started_ns)
        except Refused as refused:
            return self._refuse(call, refused)
        self._in_flight += 1
        self._idle.clear()
        if call.ask.dialect is not None:
            self._calls.add(call)
        try:
            return await self._answer(call)
        finally:
            self._calls.discard(call)
            account.leave()
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def _answer(self, call: Call) -> web.StreamResponse:
        try:
            call.body = await whole_body(call.request, call.transport, self._admission.limits)
            attempt = await self._fleet.connect(call)
        except WireError as error:
            return self._refuse(call, error)
        except asyncio.CancelledError:
            self._note(call, Exchange(call.ask, Outcome.ABORTED, self._clock_ns(), error=self._why_dropped().kind))
            raise
        ask, relay, question = self._prepare(call, attempt)
        answered, dropped = await self._put(attempt, call, question)
        ask = replace(ask, sent_ns=answered.sent_ns, connect_ns=attempt.connect_ns, retried=attempt.retried)
        left = await self._record(call, ask, answered, question.data)
        self._fleet.finish(attempt, answered)
        if dropped or left:
            raise asyncio.CancelledError
        relay.finish()
        if relay.status is None:
            assert answered.broken is not None
            return error_page(answered.broken, ask.path)
        await call.client.drained()  # else a slow reader's next answer, or the proxy's end, would come over its rest
        # A client must see that its answer was cut: without the last chunk, on a connection that closes.
        keep_alive = relay.keep_alive and answered.broken is None and not call.client.has_said_all
        return Relayed(relay.status, keep_alive=keep_alive)

    def _prepare(self, call: Call, attempt: Attempt) -> tuple[Ask, Relay, Question]:
        """What this engine is sent, where its answer goes, and what the record says of both."""
        url, path = attempt.upstream.url, call.ask.path
        call.upstream = attempt.upstream.name
        body = self._fleet.body_for(attempt.upstream, call.body)
        asked = ask_usage(path, body, self._usage)
        mutated = [*(["model"] if body != call.body else []), *(asked.mutated or [])]
        relay = Relay(call.request, call.transport, asked, last=self._retiring or call.client.has_said_all)
        call.credential = self._admission.credential_for(url)
        data = request_bytes(call.request, asked.body, url, call.marks, call.credential)
        upstream = None if self._fleet.single else str(url)
        ask = replace(call.ask, usage_asked=asked.usage, mutated=mutated or None, upstream=upstream)
        keep = None if self._capture is None else self._capture.kept
        return ask, relay, Question(data, DIALECTS.get(path), call.request.method, relay.on_head, keep)

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

    def _refuse(self, call: Call, error: WireError) -> web.Response:
        """No engine was asked; the client is told why, and it is noted."""
        self._note(call, Exchange(call.ask, Outcome.FAILED, self._clock_ns(), error=error.kind, detail=str(error)))
        return error_page(error, call.ask.path)

    def _why_dropped(self) -> WireError:
        return STOPPED if self._stopped else CLIENT_LEFT

    def _gauges(self) -> Gauges:
        upstreams = {each.name: each.state() for each in self._fleet.upstreams}
        return Gauges(self._in_flight, len(self._front.connections), upstreams)

    async def _record(self, call: Call, ask: Ask, answered: Answered, request: bytes) -> bool:
        """Make the Exchange of an answer and note it. True when the client left meanwhile.

        That takes 0.3 us an event, so a very long answer is closed, journalled and counted in a thread.
        """
        reception = answered.reception
        if reception is None or reception.token_events < LONG_ANSWER_EVENTS:
            self._note(call, keyless(_exchange(ask, answered), request), reception)
            return False

        def closed() -> tuple[Exchange, Totals]:
            exchange, totals = keyless(_exchange(ask, answered), request), Totals(self._board.objectives)
            self._sink(exchange)
            totals.add(exchange)
            return exchange, totals

        (exchange, totals), left = await beside(closed)
        self._leave(call, exchange)
        self._board.merge(totals)
        if self._capture is not None:
            self._capture.add(call, exchange, reception)
        return left

    def _leave(self, call: Call, exchange: Exchange) -> None:
        """It is under way no more."""
        self._done += 1
        self._calls.discard(call)
        if self._meter.is_on:
            self._meter.ended(call, exchange)

    def _note(self, call: Call, exchange: Exchange, reception: Reception | None = None) -> None:
        self._leave(call, exchange)
        self._sink(exchange)
        self._board.add(exchange)
        if self._capture is not None:
            self._capture.add(call, exchange, reception)


def _exchange(ask: Ask, answered: Answered) -> Exchange:
    broken = answered.broken
    aborted = broken.kind if broken in (CLIENT_LEFT, STOPPED) else None
    if answered.reception is not None:
        return answered.reception.close(ask, answered.ended_ns, broken, aborted)
    assert broken is not None  # a whole answer has a reception
    outcome = Outcome.ABORTED if aborted else Outcome.FAILED
    return Exchange(ask, outcome, answered.ended_ns, error=broken.kind, detail=str(broken))
