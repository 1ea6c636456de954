"""Connections to one engine, kept open between exchanges."""

import asyncio
import socket
import ssl

from imaxproxy.clock import NS_PER_S, Clock, monotonic_ns
from imaxproxy.errors import WireError
from imaxproxy.wire.base_url import BaseUrl
from imaxproxy.wire.connection import EngineConnection

IDLE_LIMIT_NS = 4 * NS_PER_S
"""vLLM and SGLang close idle connections after 5 s (uvicorn's default); one that is used later may be gone."""
CONNECT_TIMEOUT_S = 5.0


class Pool:
    """Hands out connections: the one used last if it is fresh, else a new one."""

    def __init__(self, url: BaseUrl, clock_ns: Clock = monotonic_ns) -> None:
        self.url = url
        self._clock_ns = clock_ns
        self._ssl = url.ssl_context
        self._idle: list[tuple[int, EngineConnection]] = []
        self._open: set[EngineConnection] = set()

    def __repr__(self) -> str:
        return f"<Pool {self.url} | {len(self._open) - len(self._idle)} busy, {len(self._idle)} idle>"

    def idle(self) -> EngineConnection | None:
        """An open connection, without waiting; None when there is none that is fresh."""
        while self._idle:
            since_ns, connection = self._idle.pop()
            if connection.reusable and self._clock_ns() - since_ns < IDLE_LIMIT_NS:
                return connection
            self._drop(connection)
        return None

    async def take(self) -> tuple[EngineConnection, int | None]:
        """A connection, and how long connecting took in ns (None: it was open). Raises WireError `connect_*`."""
        if (open_one := self.idle()) is not None:
            return open_one, None
        started_ns = self._clock_ns()
        connection = await self._connect()
        self._open.add(connection)
        return connection, self._clock_ns() - started_ns

    def give_back(self, connection: EngineConnection) -> None:
        """Keep it for the next exchange, or close it when it is not fit for one."""
        if connection.reusable:
            self._idle.append((self._clock_ns(), connection))
        else:
            self._drop(connection)

    def close(self) -> None:
        """Close every connection, busy ones too."""
        for connection in self._open:
            connection.abort()
        self._open.clear()
        self._idle.clear()

    def _drop(self, connection: EngineConnection) -> None:
        connection.abort()
        self._open.discard(connection)

    async def _connect(self) -> EngineConnection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await loop.create_connection(
                    lambda: EngineConnection(self._clock_ns), self.url.host, self.url.port, ssl=self._ssl
                )
        except OSError as error:
            raise WireError(_kind(error), f"cannot connect to {self.url}: {error.strerror or error}") from error
        connection.use_pump()
        return connection


def _kind(error: OSError) -> str:
    """The name under which a failed connect is counted."""
    if isinstance(error, TimeoutError):
        return "connect_timeout"
    if isinstance(error, ConnectionRefusedError):
        return "connect_refused"
    if isinstance(error, socket.gaierror):
        return "connect_dns"
    if isinstance(error, ssl.SSLError):
        return "connect_tls"
    return "connect_failed"
