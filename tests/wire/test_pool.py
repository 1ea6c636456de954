import asyncio
import socket
import ssl
from collections.abc import Callable

import pytest

from imaxproxy.clock import VirtualClock
from imaxproxy.errors import WireError
from imaxproxy.wire import BaseUrl, EngineConnection, Pool
from imaxproxy.wire.pool import IDLE_LIMIT_NS
from wire.transport import END, FINISH, QUESTION, SSE, FakeTransport, chunk

URL = BaseUrl("127.0.0.1", 8000)


class OfflinePool(Pool):
    """Connects to fake transports; each connect takes 7 ns."""

    def __init__(self) -> None:
        self.clock = VirtualClock(1000)
        self.transports: list[FakeTransport] = []
        super().__init__(URL, self.clock)

    async def _connect(self) -> EngineConnection:
        connection, transport = EngineConnection(self.clock), FakeTransport()
        connection.connection_made(transport)
        self.transports.append(transport)
        self.clock.advance(7)
        return connection


async def exchanged(pool: Pool, answer: bytes = SSE + chunk(FINISH) + END) -> EngineConnection:
    """Take a connection, put a question, get this answer, give it back."""
    connection, _ = await pool.take()
    connection.ask(QUESTION)
    connection.data_received(answer)
    pool.give_back(connection)
    return connection


def test_a_connection_is_used_again_after_a_whole_answer() -> None:
    async def run() -> None:
        pool = OfflinePool()
        first, connect_ns = await pool.take()
        assert connect_ns == 7
        pool.give_back(first)
        assert await exchanged(pool) is first
        again, connect_ns = await pool.take()
        assert (again, connect_ns) == (first, None)
        assert repr(pool) == "<Pool http://127.0.0.1:8000 | 1 busy, 0 idle>"

    asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        SSE + b"nonsense\r\n",
        SSE + END + b"x",
    ],
)
def test_any_other_end_spends_it(answer: bytes) -> None:
    async def run() -> None:
        pool = OfflinePool()
        first = await exchanged(pool, answer)
        assert pool.transports[0].closing
        assert (await pool.take())[0] is not first
        assert repr(pool) == "<Pool http://127.0.0.1:8000 | 1 busy, 0 idle>"

    asyncio.run(run())


def test_the_one_used_last_comes_first_and_old_ones_are_dropped() -> None:
    async def run() -> None:
        pool = OfflinePool()
        old, young = (await pool.take())[0], (await pool.take())[0]
        pool.give_back(old)
        pool.clock.advance(IDLE_LIMIT_NS - 1)
        pool.give_back(young)
        assert (await pool.take())[0] is young
        pool.give_back(young)
        pool.clock.advance(IDLE_LIMIT_NS)
        assert (await pool.take())[1] is not None  # both are too old by now
        assert [transport.closing for transport in pool.transports] == [True, True, False]

    asyncio.run(run())


def test_one_that_was_lost_while_idle_is_not_handed_out() -> None:
    async def run() -> None:
        pool = OfflinePool()
        lost = await exchanged(pool)
        lost.connection_lost(None)
        spoken = await exchanged(pool)
        spoken.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        assert (await pool.take())[0] not in (lost, spoken)

    asyncio.run(run())


def test_close_drops_busy_ones_too() -> None:
    async def run() -> None:
        pool = OfflinePool()
        await exchanged(pool)
        busy, _ = await pool.take()
        pool.close()
        pool.give_back(busy)
        assert pool.transports[0].closing
        assert repr(pool) == "<Pool http://127.0.0.1:8000 | 0 busy, 0 idle>"

    asyncio.run(run())


def failing(error: OSError) -> Callable[..., object]:
    async def create_connection(*_: object, **__: object) -> None:
        raise error

    return create_connection


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connect_refused"),
        (TimeoutError(), "timeout_connect"),
        (socket.gaierror(-2, "Name or service not known"), "connect_dns"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "connect_tls"),
        (OSError(101, "Network is unreachable"), "connect_failed"),
    ],
)
def test_a_failed_connect_has_a_name(error: OSError, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", failing(error))
        await Pool(URL).take()

    with pytest.raises(WireError, match="cannot connect to http:") as raised:
        asyncio.run(run())
    assert raised.value.kind == kind


def test_over_a_socket() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SSE)
        writer.write(chunk(FINISH) + END)
        await writer.drain()
        await reader.read()
        writer.close()
        await writer.wait_closed()
        served.set()

    served = asyncio.Event()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        pool = Pool(BaseUrl("127.0.0.1", server.sockets[0].getsockname()[1]))
        connection, connect_ns = await pool.take()
        assert connect_ns is not None
        answered = await asyncio.wait_for(connection.ask(QUESTION), 5)
        assert answered.broken is None
        assert answered.sent_ns is not None
        assert connection.reusable
        pool.close()
        await asyncio.wait_for(served.wait(), 5)
        server.close()
        await server.wait_closed()

    asyncio.run(run())


def test_idle_ones_are_closed_though_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptor outlives its use, and the engine never has to close it."""
    monkeypatch.setattr("imaxproxy.wire.pool._SWEEP_S", 0.001)

    async def run() -> None:
        pool = OfflinePool()
        old, young = await exchanged(pool), (await pool.take(fresh=True))[0]
        pool.clock.advance(IDLE_LIMIT_NS - 100)
        pool.give_back(young)
        await asyncio.sleep(0.01)
        assert repr(pool).endswith("0 busy, 2 idle>")
        pool.clock.advance(100)
        while not old.closed:
            await asyncio.sleep(0.001)
        assert repr(pool).endswith("0 busy, 1 idle>")
        young.connection_lost(None)  # by the engine
        while pool._sweep is not None:  # and nobody looks any more
            await asyncio.sleep(0.001)
        assert repr(pool).endswith("0 busy, 0 idle>")
        await exchanged(pool)
        pool.close()

    asyncio.run(run())


def test_one_whose_end_was_not_read_yet_is_not_handed_out() -> None:
    """The engine's FIN has come, and the loop has not had its turn."""

    async def run() -> None:
        accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        server = await asyncio.start_server(lambda _, writer: accepted.put_nowait(writer), "127.0.0.1", 0)
        pool = Pool(BaseUrl("127.0.0.1", server.sockets[0].getsockname()[1]))
        first, _ = await pool.take()
        pool.give_back(first)
        assert (await pool.take())[0] is first
        pool.give_back(first)
        engine_side = await accepted.get()
        assert not first.stirred
        engine_side.get_extra_info("socket").shutdown(socket.SHUT_WR)
        assert first.stirred
        assert not first.closed
        assert (await pool.take())[0] is not first
        pool.close()
        engine_side.transport.abort()
        (await accepted.get()).transport.abort()
        server.close()
        await server.wait_closed()

    asyncio.run(run())
