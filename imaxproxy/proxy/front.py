"""The clients' side: aiohttp's low-level server parses requests and enforces limits; a relay writes past it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from imaxproxy.wire import EngineConnection

BODY_LIMIT_BYTES = 64 << 20
IDLE_CLIENT_S = 75.0
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
