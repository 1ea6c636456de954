"""The clients' side: aiohttp's low-level server parses requests and enforces limits; a relay writes past it."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from imaxproxy.errors import UsageError
from imaxproxy.proxy.half_closed import HalfClosed, can_tell
from imaxproxy.proxy.limits import Limits
from imaxproxy.proxy.page import error_page
from imaxproxy.proxy.refused import Refused
from imaxproxy.proxy.turned_away import TurnedAway
from imaxproxy.wire import EngineConnection

_BACKLOG = 4096
_LINGER_S = 2.0
"""How long a client that was refused may go on with its body: who is cut off at once never reads why."""
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
UNSENT_BYTES = 1 << 18
"""So much the kernel takes for a client beyond what is on its way to it. Left alone it takes 4 MB for one that does not
read, and the engine is paused that much later; what is on its way may still grow with the network's delay."""
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class ClientSide(web.RequestHandler):
    """One client's connection. While it relays, a client that lags pauses the engine's side of it, and only that."""

    __slots__ = ("_front", "_head_bytes", "_head_timer", "_payload", "engine", "is_answered")

    engine: EngineConnection | None
    is_answered: bool
    """Bytes of an answer have been sent, and no request has been taken up since."""

    def __init__(self, front: "Front", **kwargs: Any) -> None:  # noqa: ANN401 (aiohttp's own, passed on)
        super().__init__(front, **kwargs)
        self.engine = None
        self.is_answered = False
        self._payload: StreamReader | None = None
        self._front = front
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        if self._waiter is not None:
            self.is_answered = False
        super().data_received(data)
        if self._messages:
            self._payload = self._messages[-1][1]
        if self._waiter is not None and not self._messages:
            self._head_grows(len(data))
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer, self._head_bytes = None, 0
        if self._current_request is not None and self._messages:
            self._check_body()

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp never keeps one
        """Keep the connection when the client has sent all of its request and may still read; else it has left."""
        transport = self.transport
        if transport is None or not self._waits_whole() or not can_tell(transport):
            return False
        self.transport = cast(asyncio.Transport, HalfClosed(transport))
        return True

    def _waits_whole(self) -> bool:
        """The last request has come to its end, and no byte of an answer has been sent."""
        busy = self._waiter is None or bool(self._messages)
        return busy and not self.is_answered and self._payload is not None and self._payload.is_eof()

    @property
    def has_said_all(self) -> bool:
        """No further request will come."""
        transport: object = self.transport
        return isinstance(transport, HalfClosed) and not self._messages

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.engine is not None:
            self.engine.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.engine is not None:
            self.engine.resume()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self.engine is not None:
            self.engine.pause()  # what it sends until the relay hears of this has nowhere to go
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._payload = None  # it holds us: a cycle for each connection, and collections are rare
        super().connection_lost(exc)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What a client sends that is not HTTP is answered and is no news; anything else is a bug of ours."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        refused = _why(exc, self._front.limits)
        self._front.refused[refused.kind] += 1
        page = error_page(refused)
        page.force_close()
        return page

    def log_exception(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (aiohttp's own signature, passed through)
        """The rest of a body that we refused may be broken too."""
        if not isinstance(kwargs.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **kwargs)

    def close(self) -> None:
        """No further request: now when none is under way, else when it has ended."""
        idle = self._waiter is not None
        super().close()
        if idle:  # aiohttp leaves it open, and deaf to what the client sends next
            self.force_close()

    async def drained(self) -> None:
        """Wait until the socket has taken all that was written, or the client has left."""
        with contextlib.suppress(ConnectionError):
            await self._drain_helper()

    def _head_grows(self, size_bytes: int) -> None:
        """Nothing but a piece of a head came. Most heads come in one read, and cost no timer."""
        self._head_bytes += size_bytes
        if self._head_timer is None:
            self._head_timer = self._loop.call_later(self._front.limits.head_s, self._head_too_slow)
        elif self._head_bytes > 2 * self._front.limits.head_bytes:  # many lines, each of them short enough
            self._front.refused["head_too_large"] += 1
            self.force_close()

    def _head_too_slow(self) -> None:
        if self.transport is not None:
            self._front.refused["head_timeout"] += 1
            self.transport.write(_TOO_SLOW)
            self.force_close()

    def _check_body(self) -> None:
        """aiohttp says what is broken behind a head with a message of its own, which waits for the body's end.

        Whoever reads that body must hear of it now: its end never comes.
        """
        request, (message, _) = self._current_request, self._messages[-1]
        broken = getattr(message, "exc", None)
        if broken is not None and request is not None and not request.content.is_eof():
            request.content.set_exception(web.RequestPayloadError("its chunks are broken"))


class Front(web.Server):
    """Accepts clients and hands each request, its head parsed, to `handler`."""

    def __init__(self, handler: Handler, limits: Limits, refused: "Counter[str]") -> None:
        """refused: where what no handler sees is counted."""
        loop = asyncio.get_running_loop()
        super().__init__(
            handler,
            request_factory=lambda message, payload, protocol, writer, task: web.BaseRequest(
                message, payload, protocol, writer, task, loop, client_max_size=limits.body_bytes
            ),
            handler_cancellation=True,  # a client that leaves aborts its upstream request
            loop=loop,
            access_log=None,
            auto_decompress=False,  # bodies travel as they are
            lingering_time=_LINGER_S,
            **limits.server_settings(),
        )
        self.limits = limits
        self.refused = refused
        self._turned_away: set[TurnedAway] = set()

    def __call__(self) -> asyncio.Protocol:  # type: ignore[override]  # not every client gets a handler
        """The protocol of a client that has just come."""
        if self.limits.connections is not None and len(self._connections) >= self.limits.connections:
            self.refused["too_many_connections"] += 1
            return TurnedAway(self._turned_away)
        return ClientSide(self, loop=self._loop, **self._kwargs)


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; port 0 lets the kernel choose. Raises UsageError when the address cannot be had.

    shared: others that are `shared` too may listen on the same port (SO_REUSEPORT).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        door = socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=shared)
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (while")[0]  # Python adds the address, which we say already
        raise UsageError(f"cannot listen on {host}:{port}: {why}; choose --port or --host") from error
    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)  # those it accepts inherit it
    return door


def _why(error: HttpProcessingError, limits: Limits) -> Refused:
    """The parser's complaint as we say it: nothing that the client sent is repeated."""
    if isinstance(error, LineTooLong):
        if isinstance(error.args[0], bytearray):  # aiohttp collects the target in one, and headers in bytes
            return Refused("target_too_long", f"the request's target is over {limits.head_bytes >> 10} KiB")
        return Refused("head_too_large", f"a header is over {limits.head_bytes >> 10} KiB")
    if "Too many headers" in error.message:
        return Refused("head_too_large", f"the request has over {limits.headers} headers")
    return Refused("bad_request", "what came is not HTTP/1.1, or could be read in two ways")
