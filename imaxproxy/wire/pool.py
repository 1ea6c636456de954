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
_SWEEP_S = 0.5
"""An idle connection is closed by us at 4.5 s at the latest, if none has taken it."""


class Pool:
    """Hands out connections: the one used last if it is fresh, else a new one."""

    def __init__(
        self, url: BaseUrl, clock_ns: Clock = monotonic_ns, connect_timeout_s: float = CONNECT_TIMEOUT_S
    ) -> None:
        self.url = url
        self._clock_ns = clock_ns
        self._connect_timeout_s = connect_timeout_s
        self._ssl = url.ssl_context
        self._idle: list[tuple[int, EngineConnection]] = []  # the one idle for longest first
        self._open: set[EngineConnection] = set()
        self._sweep: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Pool {self.url} | {len(self._open) - len(self._idle)} busy, {len(self._idle)} idle>"

    def idle(self) -> EngineConnection | None:
        """An open connection, without waiting; None when there is none that is fresh."""
        while self._idle:
            since_ns, connection = self._idle.pop()
            if self._clock_ns() - since_ns < IDLE_LIMIT_NS and connection.reusable and not connection.stirred:
                return connection
            self._drop(connection)
        return None

    async def take(self, *, fresh: bool = False) -> tuple[EngineConnection, int | None]:
        """A connection, and how long connecting took in ns (None: it was open). Raises WireError, a failed connect's.

        `fresh`: a new one, whatever is idle.
        """
        if not fresh and (open_one := self.idle()) is not None:
            return open_one, None
        started_ns = self._clock_ns()
        connection = await self._connect()
        self._open.add(connection)
        return connection, self._clock_ns() - started_ns

    def give_back(self, connection: EngineConnection) -> None:
        """Keep it for the next exchange, or close it when it is not fit for one."""
        if connection.reusable:
            self._idle.append((self._clock_ns(), connection))
            self._sweep = self._sweep or asyncio.get_running_loop().call_later(_SWEEP_S, self._drop_old)
        else:
            self._drop(connection)

    def close(self) -> None:
        """Close every connection, busy ones too."""
        for connection in self._open:
            connection.abort()
        self._open.clear()
        self._idle.clear()
        if self._sweep is not None:
            self._sweep.cancel()

    def _drop_old(self) -> None:
        """Twice a second while any is idle: so no descriptor outlives its use."""
        limit_ns = self._clock_ns() - IDLE_LIMIT_NS
        keep = [entry for entry in self._idle if entry[0] > limit_ns and entry[1].reusable]
        for _, connection in set(self._idle).difference(keep):
            self._drop(connection)
        self._idle = keep
        self._sweep = asyncio.get_running_loop().call_later(_SWEEP_S, self._drop_old) if keep else None

    def _drop(self, connection: EngineConnection) -> None:
        connection.abort()
        self._open.discard(connection)

    async def _connect(self) -> EngineConnection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(
                    lambda: EngineConnection(self._clock_ns), self.url.host, self.url.port, ssl=self._ssl
                )
        except OSError as error:
            kind = _kind(error)
            why = f"not within {self._connect_timeout_s:g} s" if kind == "timeout_connect" else error.strerror or error
            raise WireError(kind, f"cannot connect to {self.url}: {why}") from error
        connection.use_pump()
        return connection


def _kind(error: OSError) -> str:
    """The name under which a failed connect is counted."""
    if isinstance(error, TimeoutError):
        return "timeout_connect"
    if isinstance(error, ConnectionRefusedError):
        return "connect_refused"
    if isinstance(error, socket.gaierror):
        return "connect_dns"
    if isinstance(error, ssl.SSLError):
        return "connect_tls"
    return "connect_failed"
