import asyncio
import contextlib
from typing import Any

from aiohttp import web

from imaxproxy.sim.connection import StampingServer, connection_of

REQUEST = b"GET / HTTP/1.1\r\nHost: sim\r\n\r\n"


def test_each_request_of_a_connection_has_its_own_first_byte() -> None:
    async def work() -> None:
        stamps: list[int] = []

        async def handle(http: web.BaseRequest) -> web.StreamResponse:
            stamps.append(connection_of(http).take_first_byte_ns())
            return web.Response(text="ok")

        loop = asyncio.get_running_loop()
        server = await loop.create_server(StampingServer(handle), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for _ in range(2):
            writer.write(REQUEST[:10])
            await asyncio.sleep(0.01)  # the rest of the head comes later: the first byte's time counts
            writer.write(REQUEST[10:])
            await reader.readuntil(b"ok")
        assert 0 < stamps[0] < stamps[1]
        writer.close()
        server.close()

    asyncio.run(work())


def test_a_writer_is_closed_with_its_connection_and_all_can_be_broken() -> None:
    async def work() -> None:
        writers: list[Any] = []
        held = asyncio.Event()

        async def handle(http: web.BaseRequest) -> web.StreamResponse:
            assert http.transport is not None
            writers.append(connection_of(http).writer_to(http.transport))
            held.set()
            await asyncio.sleep(60)
            return web.Response()

        loop = asyncio.get_running_loop()
        http = StampingServer(handle)
        server = await loop.create_server(http, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(REQUEST)
        await held.wait()
        http.reset_all()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert repr(writers[0]) == "<SocketWriter of descriptor -1>"
        writer.close()
        server.close()

    asyncio.run(work())
