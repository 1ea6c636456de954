"""The engine's port: open, or closed for a while as after a crash."""

import asyncio
from collections.abc import Callable

from imaxproxy.errors import UsageError

_BACKLOG = 4096


class Outage:
    """Listens, and can stop and begin again on the same port."""

    def __init__(
        self,
        protocol: Callable[[], asyncio.Protocol],
        host: str,
        port: int,
        on_crash: Callable[[], None] = lambda: None,
    ) -> None:
        self._protocol, self._host, self._on_crash = protocol, host, on_crash
        self.port = port
        self._server: asyncio.Server | None = None
        self._return: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen. Raises UsageError when the port cannot be had."""
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._protocol, self._host, self.port, backlog=_BACKLOG
            )
        except OSError as error:
            raise UsageError(f"cannot listen on {self._host}:{self.port}: {error.strerror}") from error
        self.port = self._server.sockets[0].getsockname()[1]

    def begin(self, for_s: float, *, crash: bool) -> None:
        """Refuse connections for so long; a crash also breaks those that are open. One at a time."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        if crash:
            self._on_crash()
        self._return = asyncio.get_running_loop().create_task(self._come_back(for_s))

    def close(self) -> None:
        """Stop for good."""
        if self._return is not None:
            self._return.cancel()
        if self._server is not None:
            self._server.close()

    async def _come_back(self, for_s: float) -> None:
        await asyncio.sleep(for_s)
        await self.open()
