"""A client that is one too many: it is told so, and let go."""

import asyncio
from typing import cast

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b"
)
_BODY = (
    b'{"error":{"message":"too_many_connections: the proxy has as many clients as it may; try again later",'
    b'"type":"imaxproxy_overloaded","param":null,"code":"too_many_connections"}}'
)
_ANSWER = _FULL % (len(_BODY), _BODY)
_PATIENCE_S = 1.0
_AT_ONCE = 32
"""Descriptors are what is scarce then: of more clients than that, the rest is cut off without patience."""


class TurnedAway(asyncio.Protocol):
    """Answers before anything is asked, and closes once the request has come: earlier, nobody would read the answer."""

    def __init__(self, others: "set[TurnedAway]") -> None:
        self._others = others
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(_ANSWER)
        if len(self._others) >= _AT_ONCE:
            self._transport.close()
            return
        if self._transport.can_write_eof():  # TLS cannot
            self._transport.write_eof()
        self._others.add(self)
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE_S, self._transport.close)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._others.discard(self)
        if self._timer is not None:
            self._timer.cancel()
