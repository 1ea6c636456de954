"""`python -m imaxproxy.sim`: run one simulated engine until SIGTERM, SIGINT or, if asked, the end of stdin."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

import orjson

from imaxproxy.clock import NS_PER_S, Alarm, monotonic_ns
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.power import NOW_NAME, PowerLog
from imaxproxy.sim.args import SimArgs, parse_args
from imaxproxy.sim.assembly import Assembly, assemble
from imaxproxy.sim.cluster import Cluster
from imaxproxy.sim.connection import StampingServer
from imaxproxy.sim.engine import Engine
from imaxproxy.sim.faults import FaultPlan
from imaxproxy.sim.outage import Outage
from imaxproxy.sim.pages import Pages
from imaxproxy.sim.power import Boards, EnergyCounter
from imaxproxy.sim.server import SimServer
from imaxproxy.sim.truth import TruthLog

Log = TypeVar("Log")
_GRACE_S = 0.2
_BROKEN = 70
"""EX_SOFTWARE."""
_POWER_EVERY_S = 0.1
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
    truth = _open_file(args.truth, "truth log", TruthLog)
    power = _open_file(args.power, "power samples", lambda file: _power_log(file, args))
    cluster, alarms = _live(loop, parts, truth, args)
    faults = FaultPlan(args.faults, args.seed, monotonic_ns())
    pages = Pages(cluster, parts.limits, parts.described, faults, monotonic_ns() + round(args.startup_s * NS_PER_S))

    def crash() -> None:
        cluster.cancel_all()
        http.reset_all()

    app = SimServer(
        cluster,
        parts.limits,
        parts.shape,
        pages,
        faults,
        truth=truth,
        prefix_block_tokens=parts.prefix_block_tokens,
    )
    http = StampingServer(app.handle)
    app.outage = Outage(http, args.host, args.port, crash)
    try:
        async with (
            _listening(http, app.outage, cluster),
            _background(app.keep_truth_flushed(), _keep_power(pages, cluster, power)),
        ):
            _say_ready(args.host, app.outage.port, parts.described)
            await _told_to_stop(loop, args.stop_with_parent)
    finally:
        for alarm in alarms:
            alarm.close()
        for log in (truth, power):
            if log:
                log.close()


def _live(
    loop: asyncio.AbstractEventLoop, parts: Assembly, truth: TruthLog | None, args: SimArgs
) -> tuple[Cluster, list[Alarm]]:
    """The engines, each with an alarm of its own. The truth is written between the steps of one that is alone."""
    workers = [*parts.prefill_workers, *parts.workers]
    drain = truth.drain if truth and len(workers) == 1 else lambda _until_ns: None
    engines, alarms, devices = [], [], 0
    for worker in workers:
        energy = None
        if worker.pace.power is not None:
            boards = Boards(devices, worker.pace.gpus, worker.pace.power, args.time_scale)
            energy = EnergyCounter(boards, monotonic_ns())
            devices += boards.count
        engine = Engine(worker.scheduler, worker.pace, monotonic_ns, drain, energy)
        engine.timer = alarm = Alarm(loop, partial(_ring, engine.ring))
        engines.append(engine)
        alarms.append(alarm)
    readers = len(parts.prefill_workers)
    return Cluster(engines[readers:], engines[:readers], parts.transfer_ns_per_token), alarms


def _ring(ring: Callable[[], None]) -> None:
    """A step that breaks would leave all streams waiting for ever, and whoever measures them: better no engine."""
    try:
        ring()
    except Exception:  # whoever launched this process has its stderr
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(_BROKEN)


@contextlib.asynccontextmanager
async def _listening(http: StampingServer, outage: Outage, cluster: Cluster) -> AsyncIterator[None]:
    """The port is open. Afterwards no answer is under way: each has left its truth."""
    await outage.open()
    try:
        yield
    finally:
        outage.close()
        cluster.cancel_all()  # first: what is written to a connection that closes is lost without a word
        await http.shutdown(_GRACE_S)


def _power_log(file: IO[bytes], args: SimArgs) -> PowerLog:
    return PowerLog(file, None if args.power is None else args.power.with_name(NOW_NAME))


async def _keep_power(pages: Pages, cluster: Cluster, log: PowerLog | None) -> None:
    """Bring the boards' counters up to now, and write what they sampled. Runs until cancelled."""
    if log is not None:
        for device in pages.devices():
            log.add(device)
    while True:
        await asyncio.sleep(_POWER_EVERY_S)
        pages.samples()
        for engine in cluster.all_engines:
            if engine.energy is not None:
                for sample in engine.energy.take():
                    if log is not None:
                        log.add(sample)
        if log is not None:
            log.flush()


@contextlib.asynccontextmanager
async def _background(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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


def _open_file(path: Path | None, what: str, log: Callable[[IO[bytes]], Log]) -> Log | None:
    if path is None:
        return None
    try:
        return log(path.open("wb", buffering=1 << 20))
    except OSError as error:
        raise UsageError(f"cannot write the {what} {path}: {error.strerror}") from error


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
