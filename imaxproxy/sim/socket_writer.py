"""Writes a stream's events straight to its socket, past the event loop's transport while the socket takes them."""

import os
from asyncio import WriteTransport


class SocketWriter:
    """One for each connection, however many choices write to it.

    An event costs one system call and no transport's bookkeeping. What a full socket does not take goes to the
    transport, and so does all behind it until the transport has sent it: bytes keep their order. `close` must be called
    before the descriptor is closed, for its number may be another connection's a moment later.
    """

    __slots__ = ("_fd", "_overflowed", "_transport")

    def __init__(self, transport: WriteTransport) -> None:
        self._transport = transport
        self._fd: int = transport.get_extra_info("socket").fileno()
        self._overflowed = transport.get_write_buffer_size() > 0

    def __repr__(self) -> str:
        return f"<SocketWriter of descriptor {self._fd}{', through the transport' if self._overflowed else ''}>"

    def write(self, data: bytes) -> None:
        """Send, or hand on what does not go at once. Raises RuntimeError when the reader has left."""
        if self._overflowed:
            self._write_behind(data)
            return
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            sent = 0
        except OSError as error:  # reset, or closed here: the loop will hear of it and cancel the request
            if not self._transport.is_closing():
                self._transport.abort()
            raise RuntimeError("the reader has left") from error
        if sent != len(data):
            self._overflowed = True
            self._transport.write(data[sent:])

    def close(self) -> None:
        """The descriptor is about to be closed: nothing is written to it any more."""
        self._fd = -1

    def _write_behind(self, data: bytes) -> None:
        self._transport.write(data)
        self._overflowed = self._transport.get_write_buffer_size() > 0
