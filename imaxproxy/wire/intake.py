"""How a connection's bytes come in: by the event loop, by a pump (`pump.py`), or by C (`splice.py`); one at a time."""

import asyncio
import select
from typing import Protocol

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.wire.pump import Tap, tap
from imaxproxy.wire.splice import Splice, Splices, splices


class Taker(Protocol):
    """Whose bytes they are."""

    def data_received(self, data: bytes) -> None:
        """One read."""

    def hung_up(self, error: OSError | None) -> None:
        """The peer has closed (None) or reset the connection; nothing follows."""

    def look(self) -> None:
        """Something that C has read needs to be taken."""


class Intake:
    """Of one connection. `splice` is there while C reads."""

    __slots__ = ("_by_our_clock", "_taker", "_tap", "_transport", "paused", "splice")

    def __init__(self, taker: Taker, clock_ns: Clock) -> None:
        self._taker = taker
        self._by_our_clock = clock_ns is monotonic_ns  # C knows no other
        self._transport: asyncio.Transport | None = None
        self._tap: Tap | None = None
        self.splice: Splice | None = None
        self.paused = False

    def open(self, transport: asyncio.Transport) -> None:
        """The event loop reads it."""
        self._transport = transport

    def use_pump(self) -> None:
        """Have reads come the cheap way, where there is one; uvloop starts its own only after `connection_made`."""
        transport = self._open_transport()
        if transport is not None:
            self._tap = tap(transport, self._taker)

    @property
    def stirred(self) -> bool:
        """Something has come that nobody has read yet, or the end."""
        connection = None if self._transport is None else self._transport.get_extra_info("socket")
        if connection is None:
            return False
        if self.splice is not None and self.splice.stirred:
            return True
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        return bool(poll.poll(0))

    def pause(self) -> None:
        """Take no more."""
        transport = self._open_transport()
        if transport is not None:
            self.paused = True
            if self.splice is not None:
                self.splice.pause()
            else:
                (self._tap or transport).pause_reading()

    def resume(self) -> bool:
        """Go on; False when it was not paused, or is closed."""
        transport = self._open_transport()
        if not self.paused or transport is None:
            return False
        self.paused = False
        if self.splice is not None:
            self.splice.resume()
        else:
            (self._tap or transport).resume_reading()
        return True

    def read_in_c(self) -> None:
        """Have C read the whole answer, where it can, and those behind it: plain sockets, nobody wants each read."""
        if self.splice is not None:
            self.splice.begin()
        elif self._tap is not None and (through := self._splices()) is not None:
            self._tap.pause_reading()
            self.splice = through.begin(self._taker, self._tap.fd, None, 1, paused=False)

    def read_here(self) -> None:
        """No longer in C."""
        if self.splice is not None:
            self.splice.stop()
            self.splice = None
        if self._tap is not None and not self.paused:
            self._tap.resume_reading()

    def carry(self, batch_reads: int, onward: asyncio.Transport | None) -> None:
        """Have C carry the rest of a stream, where it can, and write it to `onward`: plain sockets, no rest before it.

        batch_reads: so many reads may wait to be looked at.
        """
        if self.splice is not None:
            self.splice.expect(batch_reads)
            return
        if self._tap is None:
            return
        out_fd = None if onward is None else self._descriptor(onward)
        if onward is not None and out_fd is None:
            return
        through = self._splices()
        if through is not None:
            self._tap.pause_reading()
            self.splice = through.begin(self._taker, self._tap.fd, out_fd, batch_reads, paused=self.paused)

    def close(self) -> None:
        """Before the socket is closed: its number may be another's a moment later."""
        if self.splice is not None:
            self.splice.stop()
            self.splice = None
        if self._tap is not None:
            self._tap.pause_reading()
            self._tap = None

    def lose(self) -> None:
        """The connection is gone."""
        self.close()
        self._transport = None

    def _open_transport(self) -> asyncio.Transport | None:
        return None if self._transport is None or self._transport.is_closing() else self._transport

    def _splices(self) -> Splices | None:
        return splices() if self._by_our_clock else None

    def _descriptor(self, transport: asyncio.Transport) -> int | None:
        """Of a plain socket to which C may write now."""
        connection = transport.get_extra_info("socket")
        if connection is None or transport.get_extra_info("ssl_object") is not None or transport.is_closing():
            return None
        if transport.get_write_buffer_size() and not self.paused:
            return None  # the rest of an earlier answer goes first; `resume` is not told when it has
        return int(connection.fileno())
