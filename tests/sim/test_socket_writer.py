import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from imaxproxy.sim.socket_writer import SocketWriter
from sim.conftest import read_all

Work = Callable[[asyncio.WriteTransport, SocketWriter, socket.socket], Awaitable[None]]


async def on_pair(work: Work, *, buffer_bytes: int | None = None) -> None:
    """A connection whose one end has a transport and a writer; the other is read by the test."""
    ours, theirs = socket.socketpair()
    if buffer_bytes is not None:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    try:
        await work(transport, SocketWriter(transport), theirs)
    finally:
        if not transport.is_closing():
            transport.abort()
        theirs.close()


def test_what_a_socket_takes_goes_straight_to_it() -> None:
    async def work(transport: asyncio.WriteTransport, writer: SocketWriter, theirs: socket.socket) -> None:
        writer.write(b"one ")
        writer.write(b"two")
        assert theirs.recv(100) == b"one two"
        assert transport.get_write_buffer_size() == 0

    asyncio.run(on_pair(work))


def test_bytes_keep_their_order_behind_a_full_socket() -> None:
    pieces = [bytes([65 + number % 26]) * 7000 for number in range(200)]

    async def work(transport: asyncio.WriteTransport, writer: SocketWriter, theirs: socket.socket) -> None:
        loop, written = asyncio.get_running_loop(), iter(pieces)
        for piece in written:
            writer.write(piece)
            if transport.get_write_buffer_size():
                break
        assert "through the transport" in repr(writer)
        reading = loop.run_in_executor(None, read_all, theirs)
        for piece in written:
            writer.write(piece)
            await asyncio.sleep(0)  # some go behind the transport's buffer, some straight again
        transport.close()
        assert await reading == b"".join(pieces)

    asyncio.run(on_pair(work, buffer_bytes=4096))


def test_a_reader_that_left_is_said_and_the_transport_ends() -> None:
    async def work(transport: asyncio.WriteTransport, writer: SocketWriter, theirs: socket.socket) -> None:
        theirs.close()
        with pytest.raises(RuntimeError, match="has left"):
            writer.write(b"to nobody")
        assert transport.is_closing()

    asyncio.run(on_pair(work))


def test_a_closed_writer_never_writes_to_another_connections_descriptor() -> None:
    async def work(transport: asyncio.WriteTransport, writer: SocketWriter, theirs: socket.socket) -> None:
        descriptor = transport.get_extra_info("socket").fileno()
        writer.close()
        transport.close()
        await asyncio.sleep(0)
        mine, other = socket.socketpair()
        with mine, other:
            assert descriptor in (mine.fileno(), other.fileno())
            with pytest.raises(RuntimeError, match="has left"):
                writer.write(b"stray")
            for end in (mine, other):
                end.setblocking(False)
                with pytest.raises(BlockingIOError):
                    end.recv(1)

    asyncio.run(on_pair(work))
