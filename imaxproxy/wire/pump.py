"""Reads for many connections at one look: an epoll of our own, of which the event loop sees a single descriptor.

uvloop's streams cost 2 to 4 us of user time a read more: a callback from C for each, its context, its buffer. Here a
turn is one loop over what is ready. At 100 streams in step a bare relay took 0.95 of nginx's CPU this way and 1.5 on
uvloop's streams (docs/benchmarks.md). Each socket is read once a turn, READ_BYTES at most: a stream at full speed
starves nobody.
"""

import asyncio
import os
import select
import sys
from typing import Protocol
from weakref import WeakKeyDictionary

READ_BYTES = 1 << 16
_MOST_A_TURN = 256


class Taker(Protocol):
    """Whoever wants the reads of a socket."""

    def data_received(self, data: bytes) -> None:
        """One read."""

    def hung_up(self, error: OSError | None) -> None:
        """The peer has closed (None) or reset the connection; nothing follows."""


class Pump:
    """Reads sockets and hands on what came. One a loop, as the loop's own selector is."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._epoll = select.epoll()
        self._takers: dict[int, Taker] = {}
        loop.add_reader(self._epoll.fileno(), self._turn)

    def __repr__(self) -> str:
        return f"<Pump of {len(self._takers)} sockets>"

    def add(self, fd: int, taker: Taker) -> None:
        """Read `fd`, a non-blocking socket, from now on."""
        self._takers[fd] = taker
        self._epoll.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        """Read it no more; to be called before it is closed."""
        del self._takers[fd]
        self._epoll.unregister(fd)

    def _turn(self) -> None:
        takers, read = self._takers, os.read
        for fd, _ in self._epoll.poll(0, _MOST_A_TURN):
            taker = takers.get(fd)
            if taker is None:  # removed by what came earlier in this turn
                continue
            try:
                data = read(fd, READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                taker.hung_up(error)
                continue
            if data:
                taker.data_received(data)
            else:
                taker.hung_up(None)


_PUMPS: "WeakKeyDictionary[asyncio.AbstractEventLoop, Pump]" = WeakKeyDictionary()


class Tap:
    """One socket's place at the pump; pauses as a transport does."""

    __slots__ = ("_open", "_pump", "_taker", "fd")

    def __init__(self, pump: Pump, fd: int, taker: Taker) -> None:
        self._pump, self.fd, self._taker = pump, fd, taker
        self._open = False
        self.resume_reading()

    def pause_reading(self) -> None:
        if self._open:
            self._open = False
            self._pump.remove(self.fd)

    def resume_reading(self) -> None:
        if not self._open:
            self._open = True
            self._pump.add(self.fd, self._taker)


def tap(transport: asyncio.Transport, taker: Taker) -> Tap | None:
    """Take a transport's reads from its loop to the pump.

    None where that cannot be: TLS, whose bytes must be decrypted first, and systems without epoll.
    """
    connection = transport.get_extra_info("socket")
    if sys.platform != "linux" or connection is None or transport.get_extra_info("ssl_object") is not None:
        return None
    loop = asyncio.get_running_loop()
    pump = _PUMPS.get(loop)
    if pump is None:
        pump = _PUMPS[loop] = Pump(loop)
    transport.pause_reading()
    return Tap(pump, connection.fileno(), taker)
