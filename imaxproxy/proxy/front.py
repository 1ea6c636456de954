"""The clients' side: aiohttp's low-level server parses requests and enforces limits; a relay writes past it."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from imaxproxy.errors import UsageError
from imaxproxy.wire import EngineConnection

BODY_LIMIT_BYTES = 64 << 20
IDLE_CLIENT_S = 75.0
_BACKLOG = 4096
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class ClientSide(web.RequestHandler):
    """One client's connection. While it relays, a client that lags pauses the engine's side of it, and only that."""

    __slots__ = ("engine",)

    engine: EngineConnection | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (aiohttp's own signature, passed through)
        super().__init__(*args, **kwargs)
        self.engine = None

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
        super().connection_lost(exc)

    def log_exception(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as above)
        """What a client sends that is not HTTP is answered with 400 and is no news; anything else is a bug of ours."""
        if not isinstance(kwargs.get("exc_info"), HttpProcessingError):
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


class Front(web.Server):
    """Accepts clients and hands each request, its head parsed, to `handler`."""

    def __init__(self, handler: Handler) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            handler,
            request_factory=lambda message, payload, protocol, writer, task: web.BaseRequest(
                message, payload, protocol, writer, task, loop, client_max_size=BODY_LIMIT_BYTES
            ),
            handler_cancellation=True,  # a client that leaves aborts its upstream request
            loop=loop,
            access_log=None,
            auto_decompress=False,  # bodies travel as they are
            keepalive_timeout=IDLE_CLIENT_S,
        )

    def __call__(self) -> ClientSide:
        return ClientSide(self, loop=self._loop, **self._kwargs)


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; port 0 lets the kernel choose. Raises UsageError when the address cannot be had.

    shared: others that are `shared` too may listen on the same port (SO_REUSEPORT).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=shared)
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (while")[0]  # Python adds the address, which we say already
        raise UsageError(f"cannot listen on {host}:{port}: {why}; choose --port or --host") from error
