"""An engine whose answers end when a test says so."""

import asyncio

from on_loop import until
from scripted_engine import LAST_CHUNK, STREAM_HEAD, Call, sse, token


class Gate:
    """A script whose answers end when the test says so, in any order."""

    def __init__(self) -> None:
        self.under_way: dict[str, asyncio.Event] = {}
        self.most = 0

    async def __call__(self, call: Call) -> None:
        name, done = call.request.body.decode(), asyncio.Event()
        self.under_way[name] = done
        self.most = max(self.most, len(self.under_way))
        await call.send(STREAM_HEAD, token("a"))
        await done.wait()
        del self.under_way[name]
        await call.send(token("b", "stop"), sse(b"[DONE]") + LAST_CHUNK)

    async def finish(self, name: str) -> None:
        await until(lambda: name in self.under_way, f"{name} to arrive")
        self.under_way[name].set()
