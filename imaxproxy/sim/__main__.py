"""`python -m imaxproxy.sim`: run one simulated engine until SIGTERM, SIGINT or, if asked, the end of stdin."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence

import orjson

from imaxproxy.clock import Alarm, monotonic_ns
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.sim.args import SimArgs, parse_args
from imaxproxy.sim.assembly import assemble
from imaxproxy.sim.engine import Engine
from imaxproxy.sim.server import SimServer, StampingServer
from imaxproxy.sim.truth import TruthLog

_BACKLOG = 4096
_GRACE_S = 0.2
_GC_FIRST_GENERATION = 50_000


def main(argv: Sequence[str]) -> int:
    """Run until told to stop; the exit code."""
    try:
        args = parse_args(argv)
        _tune_gc()
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(serve(args))
    except ImaxproxyError as error:
        print(f"imaxproxy.sim: {error}", file=sys.stderr)
        return error.exit_code
    return 0


async def serve(args: SimArgs) -> None:
    """Listen, say so on stdout in one line of JSON, answer until told to stop."""
    loop = asyncio.get_running_loop()
    parts = assemble(args)
    truth = _open_truth(args)
    engine = Engine(parts.scheduler, parts.pace, monotonic_ns, truth.drain if truth else lambda _until_ns: None)
    alarm = Alarm(loop, engine.ring)
    engine.timer = alarm
    app = SimServer(
        engine,
        parts.limits,
        parts.shape,
        parts.described,
        truth=truth,
        prefix_block_tokens=parts.prefix_block_tokens,
    )
    http = StampingServer(app.handle)
    try:
        async with _listening(http, args) as port, _background(app):
            _say_ready(args.host, port, parts.described)
            await _told_to_stop(loop, args.stop_with_parent)
    finally:
        alarm.close()
        if truth:
            truth.close()


@contextlib.asynccontextmanager
async def _listening(http: StampingServer, args: SimArgs) -> AsyncIterator[int]:
    """The server's port while it listens. Afterwards no answer is under way: each has left its truth."""
    try:
        server = await asyncio.get_running_loop().create_server(http, args.host, args.port, backlog=_BACKLOG)
    except OSError as error:
        raise UsageError(f"cannot listen on {args.host}:{args.port}: {error.strerror}") from error
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await http.shutdown(_GRACE_S)


@contextlib.asynccontextmanager
async def _background(app: SimServer) -> AsyncIterator[None]:
    task = asyncio.create_task(app.keep_truth_flushed())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _told_to_stop(loop: asyncio.AbstractEventLoop, with_parent: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if with_parent:
        stdin = sys.stdin.fileno()
        loop.add_reader(stdin, _stop_at_end, loop, stdin, stop)
    await stop.wait()


def _stop_at_end(loop: asyncio.AbstractEventLoop, stdin: int, stop: asyncio.Event) -> None:
    """The parent holds the other end of our stdin and writes nothing: its end is the parent's."""
    if not os.read(stdin, 4096):
        loop.remove_reader(stdin)
        stop.set()


def _open_truth(args: SimArgs) -> TruthLog | None:
    if args.truth is None:
        return None
    try:
        return TruthLog(args.truth.open("wb", buffering=1 << 20))
    except OSError as error:
        raise UsageError(f"cannot write the truth log {args.truth}: {error.strerror}") from error


def _say_ready(host: str, port: int, described: dict[str, object]) -> None:
    line = orjson.dumps({"ready": True, "host": host, "port": port, "engine": described})
    print(line.decode(), flush=True)


def _tune_gc() -> None:
    """What is loaded stays; collections are rare. A collection in mid-stream would be a pause that no model planned."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_FIRST_GENERATION, 20, 100)


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where there is one: its write() reaches the socket at once, a plain loop's too but slower."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
