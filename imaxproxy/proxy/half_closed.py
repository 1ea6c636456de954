"""A client that has shut down its writing side, told from one that has closed.

Both send the same FIN. What tells them apart is how the client's kernel takes a byte: who has closed answers with an
RST. So the bytes with which every answer begins are sent ahead. Nothing is said that would not have been said.
"""

import asyncio
import socket
from asyncio import WriteTransport
from collections.abc import Iterable
from typing import Any

BEGINNING = b"HTTP/1."
_FIRST_LOOK_S, _LAST_LOOK_S = 0.001, 0.25
_TCP_CLOSE = 7
"""`tcpi_state` after an RST (linux/tcp_states.h)."""


def can_tell(transport: WriteTransport) -> bool:
    """Not through TLS, where a FIN of either kind ends the connection; and only where the kernel tells its state."""
    return hasattr(socket, "TCP_INFO") and transport.get_extra_info("ssl_object") is None


class HalfClosed:
    """Stands in for the transport of a client whose FIN has come before any byte of its answer was sent.

    Aborts it when the client turns out to have closed; what is written leaves out the beginning that was sent ahead.
    """

    def __init__(self, transport: WriteTransport) -> None:
        self.bare = transport
        """The client's own."""
        self._socket = transport.get_extra_info("socket")
        self._is_ahead = True
        transport.write(BEGINNING)
        self._look_in(_FIRST_LOOK_S)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever a transport has)
        return getattr(self.bare, name)

    def write(self, data: bytes) -> None:
        if self._is_ahead:
            self._is_ahead = False
            assert bytes(data[: len(BEGINNING)]) == BEGINNING
            data = data[len(BEGINNING) :]
        self.bare.write(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.write(b"".join(pieces))

    def _look_in(self, wait_s: float) -> None:
        asyncio.get_running_loop().call_later(wait_s, self._look, wait_s)

    def _look(self, waited_s: float) -> None:
        """An RST is one round trip away, however long that is. Reading has ended, so nobody else would hear of it."""
        if self.bare.is_closing():
            return
        if self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE:
            self.bare.abort()
        else:
            self._look_in(min(2 * waited_s, _LAST_LOOK_S))
