"""The measuring proxy: one engine behind, any OpenAI client in front, an Exchange for each request."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from imaxproxy.clock import NS_PER_S, Clock, monotonic_ns
from imaxproxy.errors import UsageError, WireError
from imaxproxy.metrics import Ask, Exchange, Outcome, Tally
from imaxproxy.proxy.front import ClientSide, Front
from imaxproxy.proxy.relayed import Relay, Relayed
from imaxproxy.proxy.request_head import request_bytes
from imaxproxy.wire import DIALECTS, Answered, BaseUrl, EngineConnection, Pool, Question

Sink = Callable[[Exchange], None]
CLIENT_LEFT = "client_left"
_READY_FOR_NS = NS_PER_S


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
        self._pages = {"/health": self._health, "/imax/stats": self._stats, "/imax/engine": self._describe}

    def __repr__(self) -> str:
        return f"<Proxy to {self._pool.url} | {self._in_flight} in flight, {self._tally.sent} done>"

    async def listen(self, host: str, port: int) -> int:
        """Accept clients; return the port (the one the kernel chose for 0). Raises UsageError when it is taken."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._front, host, port, backlog=4096)
        except OSError as error:
            raise UsageError(
                f"cannot listen on {host}:{port}: {error.strerror or error}; choose --port or --host"
            ) from error
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def drain(self, timeout_s: float) -> bool:
        """Take no new connections, let streams in flight end; True when all did."""
        if self._server is not None:
            self._server.close()
        self._front.pre_shutdown()
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Drop what is left."""
        await self._front.shutdown(timeout=0.1)
        self._pool.close()

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
        assert isinstance(request.protocol, ClientSide)
        client, transport = request.protocol, request.transport
        if transport is None:
            raise ConnectionResetError("the client left before its request was read")
        if "expect" in request.headers:
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await request.read()
        request_id = request.headers.get("x-request-id") or uuid.uuid4().hex
        path = request.path
        dialect = DIALECTS.get(path)
        name = dialect.name if dialect is not None else None
        try:
            engine, connect_ns = await self._pool.take()
        except WireError as error:
            ask = Ask(request_id, path, started_ns, dialect=name)
            self._note(Exchange(ask, Outcome.FAILED, self._clock_ns(), error=error.kind, detail=str(error)))
            return _error_page(502, error)
        relay = Relay(request, transport)
        question = Question(request_bytes(request, body, self._pool.url), dialect, request.method, relay.on_head)
        answered, left = await self._ask(engine, client, question)
        ask = Ask(request_id, path, started_ns, answered.sent_ns, connect_ns=connect_ns, dialect=name)
        self._note(_exchange(ask, answered, CLIENT_LEFT if left else None))
        self._pool.give_back(engine)
        if left:
            raise asyncio.CancelledError
        if relay.status is None:
            assert answered.broken is not None
            return _error_page(502, answered.broken)
        # A client must see that its answer was cut: without the last chunk, on a connection that closes.
        return Relayed(relay.status, keep_alive=relay.keep_alive and answered.broken is None)

    async def _ask(self, engine: EngineConnection, client: ClientSide, question: Question) -> tuple[Answered, bool]:
        """What came, and whether the client left before its end."""
        client.engine = engine
        try:
            return await engine.ask(question), False
        except asyncio.CancelledError:
            return engine.give_up(WireError(CLIENT_LEFT, "the client closed its connection")), True
        finally:
            client.engine = None

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


def _exchange(ask: Ask, answered: Answered, aborted: str | None) -> Exchange:
    if answered.reception is not None:
        return answered.reception.close(ask, answered.ended_ns, answered.broken, aborted)
    assert answered.broken is not None  # a whole answer has a reception
    outcome = Outcome.ABORTED if aborted else Outcome.FAILED
    return Exchange(ask, outcome, answered.ended_ns, error=answered.broken.kind, detail=str(answered.broken))


def _json_page(status: int, value: dict[str, Any]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


def _error_page(status: int, error: WireError) -> web.Response:
    """An error of ours, in OpenAI's form. The SDK must not retry it: hidden retries would double the load."""
    message = {"error": {"message": str(error), "type": "imaxproxy_upstream_error", "param": None, "code": error.kind}}
    page = _json_page(status, message)
    page.headers["x-should-retry"] = "false"
    return page
