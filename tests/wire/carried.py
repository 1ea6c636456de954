"""A splice on real sockets, fed step by step: nothing here waits for luck."""

import fcntl
import socket
import struct
import termios
import time
from types import TracebackType

from imaxproxy.wire import _splice
from imaxproxy.wire.splice import Taken

DEADLINE_S = 20.0


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection; the second does not block."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    for each in one, other:
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    other.setblocking(False)
    return one, other


def unread_bytes(connection: socket.socket) -> int:
    """What has come and nobody has read."""
    size: int = struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, b"\0\0\0\0"))[0]
    return size


def all_read(connection: socket.socket) -> None:
    """Wait until another thread has read what came."""
    until_s = time.monotonic() + DEADLINE_S
    while unread_bytes(connection):
        assert time.monotonic() < until_s, f"{unread_bytes(connection)} bytes were never read"


class Carried:
    """An engine's end, a splice, and a client's end."""

    def __init__(
        self,
        *,
        client: bool = False,
        batch_reads: int = 16,
        paused: bool = False,
        splicer: "_splice.Splicer | None" = None,
    ) -> None:
        self.engine, self.ours = tcp_pair()
        self.client, self.to_client = tcp_pair()
        self.splicer = splicer or _splice.Splicer()
        out_fd = self.to_client.fileno() if client else -1
        self.splice = _splice.Splice(self.splicer, self.ours.fileno(), out_fd, batch_reads, paused)

    def __enter__(self) -> "Carried":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.splice.stop()
        for each in self.engine, self.ours, self.client, self.to_client:
            each.close()

    def feed(self, *reads: bytes) -> None:
        """Have the splice read each of these as one read."""
        for data in reads:
            self.engine.sendall(data)
            all_read(self.ours)

    def take(self) -> Taken:
        return Taken(*self.splice.take())

    def needs_python(self) -> bool:
        """The splice says so, now."""
        return bool(self.splicer.ready(1))

    def until_ready(self) -> None:
        until_s = time.monotonic() + DEADLINE_S
        while not self.needs_python():
            assert time.monotonic() < until_s, "the splice never asked for Python"
