"""The measuring proxy: one engine behind, any OpenAI client in front, an Exchange for each request."""

import asyncio
import re
import socket
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
from aiohttp import web

from imaxproxy.clock import NS_PER_S, Clock, monotonic_ns
from imaxproxy.errors import WireError
from imaxproxy.metrics import Ask, Exchange, Outcome, Tally
from imaxproxy.proxy.front import ClientSide, Front
from imaxproxy.proxy.relayed import Relay, Relayed
from imaxproxy.proxy.request_body import REFUSED, whole_body
from imaxproxy.proxy.request_head import request_bytes
from imaxproxy.wire import DIALECTS, Answered, BaseUrl, EngineConnection, Pool, Question, keyless

Sink = Callable[[Exchange], None]
CLIENT_LEFT = WireError("client_left", "the client closed its connection")
STOPPED = WireError("stopped", "the proxy was stopped")
_READY_FOR_NS = NS_PER_S
_REQUEST_ID = re.compile(r"[ -~]{1,500}")
"""Others are replaced by one of ours: they would stand in journals and logs."""


class Proxy:
    """Relays and measures. Produces Exchanges into `sink` and knows no file."""

    def __init__(
        self,
        upstream: BaseUrl,
        sink: Sink,
        engine: dict[str, Any] | None = None,
        clock_ns: Clock = monotonic_ns,
    ) -> None:
        self._pool = Pool(upstream, clock_ns)
        self._sink = sink
        self._engine = engine
        self._clock_ns = clock_ns
        self._tally = Tally()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._front = Front(self._handle)
        self._server: asyncio.Server | None = None
        self._ready_until_ns = 0
        self._stopped = False
        self._pages = {"/health": self._health, "/imax/stats": self._stats, "/imax/engine": self._describe}

    def __repr__(self) -> str:
        return f"<Proxy to {self._pool.url} | {self._in_flight} in flight, {self._tally.sent} done>"

    async def listen(self, door: socket.socket) -> None:
        """Accept the clients that come to `door`, a socket that `bind` made."""
        self._server = await asyncio.get_running_loop().create_server(self._front, sock=door)

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
        self._pool.close()

    def _shut_door(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        page = self._pages.get(request.path)
        if page is not None:
            return await page()
        started_ns = self._clock_ns()
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._relay(request, started_ns)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def _relay(self, request: web.BaseRequest, started_ns: int) -> web.StreamResponse:
        client, transport = request.protocol, request.transport
        assert isinstance(client, ClientSide)
        if transport is None:
            raise asyncio.CancelledError  # the client left before its request was looked at
        ask = _asked(request, started_ns)
        try:
            body = await whole_body(request, transport)
            engine, connect_ns = await self._pool.take()
        except WireError as error:
            self._note(Exchange(ask, Outcome.FAILED, self._clock_ns(), error=error.kind, detail=str(error)))
            return _error_page(error)
        except asyncio.CancelledError:
            self._note(Exchange(ask, Outcome.ABORTED, self._clock_ns(), error=self._why_dropped().kind))
            raise
        relay = Relay(request, transport)
        data = request_bytes(request, body, self._pool.url)
        question = Question(data, DIALECTS.get(ask.path), request.method, relay.on_head)
        answered, dropped = await self._ask(engine, client, question)
        ask = replace(ask, sent_ns=answered.sent_ns, connect_ns=connect_ns)
        self._note(keyless(_exchange(ask, answered), data))
        self._pool.give_back(engine)
        if dropped:
            raise asyncio.CancelledError
        if relay.status is None:
            assert answered.broken is not None
            return _error_page(answered.broken)
        await client.drained()  # else a slow reader's next answer, or the proxy's end, would come over this one's rest
        # A client must see that its answer was cut: without the last chunk, on a connection that closes.
        return Relayed(relay.status, keep_alive=relay.keep_alive and answered.broken is None)

    async def _ask(self, engine: EngineConnection, client: ClientSide, question: Question) -> tuple[Answered, bool]:
        """What came, and whether nobody is left to read it."""
        client.engine = engine
        try:
            return await engine.ask(question), False
        except asyncio.CancelledError:
            return engine.give_up(self._why_dropped()), True
        finally:
            client.engine = None
            engine.resume()  # a client that lagged at the end has paused it; the next exchange needs its reads

    def _why_dropped(self) -> WireError:
        return STOPPED if self._stopped else CLIENT_LEFT

    def _note(self, exchange: Exchange) -> None:
        self._sink(exchange)
        self._tally.add(exchange)

    async def _health(self) -> web.Response:
        """200 when the engine takes connections; asked at most once a second."""
        if self._clock_ns() < self._ready_until_ns:
            return _json_page(200, {"status": "ready"})
        try:
            engine, _ = await self._pool.take()
        except WireError as error:
            return _json_page(503, {"status": "no engine", "detail": str(error)})
        self._pool.give_back(engine)
        self._ready_until_ns = self._clock_ns() + _READY_FOR_NS
        return _json_page(200, {"status": "ready"})

    async def _stats(self) -> web.Response:
        """What was measured since the start; in-flight streams join when they end."""
        tally = self._tally
        stats = {
            "schema": "imaxproxy.stats/1",
            "simulated": bool(tally.simulated or (self._engine or {}).get("simulated")),
            "engine": self._engine,
            "in_flight": self._in_flight,
            "requests": tally.requests(),
            "tokens": tally.tokens(),
            **tally.stats(),
        }
        return _json_page(200, stats)

    async def _describe(self) -> web.Response:
        """What is known of the engine behind; 404 when nothing is."""
        return _json_page(200, self._engine) if self._engine else _json_page(404, {"detail": "no recipe was given"})


def _asked(request: web.BaseRequest, started_ns: int) -> Ask:
    """The request's side as far as it is known when its head has come."""
    path, request_id = request.path, request.headers.get("x-request-id", "")
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = uuid.uuid4().hex
    return Ask(request_id, path, started_ns, dialect=DIALECTS[path].name if path in DIALECTS else None)


def _exchange(ask: Ask, answered: Answered) -> Exchange:
    broken = answered.broken
    aborted = broken.kind if broken in (CLIENT_LEFT, STOPPED) else None
    if answered.reception is not None:
        return answered.reception.close(ask, answered.ended_ns, broken, aborted)
    assert broken is not None  # a whole answer has a reception
    outcome = Outcome.ABORTED if aborted else Outcome.FAILED
    return Exchange(ask, outcome, answered.ended_ns, error=broken.kind, detail=str(broken))


def _json_page(status: int, value: dict[str, Any]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


def _error_page(error: WireError) -> web.Response:
    """An error of ours, in OpenAI's form. The SDK must not retry it: hidden retries would double the load."""
    status = REFUSED.get(error.kind, 502)
    blame = "imaxproxy_upstream_error" if status == 502 else "invalid_request_error"
    message = {"error": {"message": str(error), "type": blame, "param": None, "code": error.kind}}
    page = _json_page(status, message)
    page.headers["x-should-retry"] = "false"
    return page
