import asyncio
import socket

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.sim.outage import Outage


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_port_closes_and_comes_back_where_it_was() -> None:
    async def work() -> None:
        crashes: list[str] = []
        outage = Outage(asyncio.Protocol, "127.0.0.1", 0, lambda: crashes.append("crash"))
        await outage.open()
        port = outage.port
        assert is_open(port)
        outage.begin(0.02, crash=False)
        outage.begin(60, crash=True)  # one at a time
        assert not is_open(port)
        while not is_open(port):
            await asyncio.sleep(0.005)
        assert (outage.port, crashes) == (port, [])
        outage.begin(60, crash=True)
        assert (is_open(port), crashes) == (False, ["crash"])
        outage.close()
        await asyncio.sleep(0)

    asyncio.run(work())


def test_a_port_that_is_taken_is_the_users_mistake() -> None:
    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            outage = Outage(asyncio.Protocol, "127.0.0.1", taken.getsockname()[1])
            with pytest.raises(UsageError, match=r"cannot listen on 127\.0\.0\.1:"):
                await outage.open()

    asyncio.run(work())
