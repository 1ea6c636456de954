"""A data process's answers to whoever watches the replay: what is in flight, each time a byte comes on a pipe."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from imaxproxy.metrics import LiveMeter

_MOST_BYTES = 4096


class Looks:
    """Looks only when asked; several askings that nobody has answered yet are one."""

    def __init__(self, fd: int, meter: LiveMeter, say: Callable[[dict[str, Any]], object]) -> None:
        """fd: the pipe; its end means that nobody watches any more."""
        self._loop = asyncio.get_running_loop()
        self._fd, self._meter, self._say = fd, meter, say
        self._answering: asyncio.Task[None] | None = None
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._on_asked)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        if self._answering is not None:
            self._answering.cancel()
        self._meter.stop()

    def _on_asked(self) -> None:
        asked = b""
        with suppress(BlockingIOError):
            asked = os.read(self._fd, _MOST_BYTES)
            if not asked:
                self.close()
        if asked and (self._answering is None or self._answering.done()):
            self._answering = self._loop.create_task(self._answer())

    async def _answer(self) -> None:
        for _ in self._meter.steps():
            await asyncio.sleep(0)
        self._say({"live": self._meter.take().as_row()})
