"""A process of its own for each part of a flood, so that it holds up nobody but the proxy."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from scripted_engine import LAST_CHUNK, STREAM_HEAD, Call, ScriptedEngine, answering, sse, token

EVENTS = 400_000
_BLOCK = 100


async def flood(call: Call) -> None:
    """400,000 events as fast as they are taken; all else as an engine answers it."""
    if not call.request.line.startswith(b"POST"):
        await answering()(call)
        return
    await call.send(STREAM_HEAD)
    block = token(" word") * _BLOCK
    for _ in range(EVENTS // _BLOCK):
        call.writer.write(block)
        await call.writer.drain()
    await call.send(token(" end", "length"), sse(b"[DONE]") + LAST_CHUNK)


async def _serve() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with ScriptedEngine(flood) as engine:
        print(engine.url, flush=True)
        await stop.wait()


@contextmanager
def flooding() -> Iterator[str]:
    """The engine, as a process: its URL."""
    command = [sys.executable, "-m", "cli.flood"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": ":".join(sys.path)}) as engine:
        assert engine.stdout is not None
        try:
            yield engine.stdout.readline().strip()
        finally:
            engine.terminate()


if __name__ == "__main__":
    asyncio.run(_serve())
