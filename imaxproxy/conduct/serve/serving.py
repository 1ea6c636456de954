"""What one `imaxproxy serve` is, all its parts chosen, and the process that relays."""

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from imaxproxy.clock import monotonic_ns
from imaxproxy.conduct.output import say
from imaxproxy.conduct.serve.gate import Gate
from imaxproxy.conduct.serve.upstreams import FleetChoice
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.runs import CappedAppender, Journal, RunDirectory, read_rest
from imaxproxy.wire import BaseUrl, hot_path, read_stamps

if TYPE_CHECKING:
    from imaxproxy.metrics import Exchange, HealthSample, Objective
    from imaxproxy.proxy import Admission, Board, CaptureSettings, Ledger, LivePage, Proxy, Seat

    HealthSink = Callable[[HealthSample], None]

DROPPED = "dropped streams"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a relaying process needs. What an option of `serve` sets stands here, checked."""

    upstreams: FleetChoice
    engine: dict[str, Any] | None
    """What is known of the engines behind."""
    host: str
    doors: list[socket.socket]
    """One for each worker."""
    drain_timeout_s: float
    run: RunDirectory
    gate: Gate
    ask_usage: str | None
    """A value of AskUsage."""
    capture: "CaptureSettings | None"
    capture_limit_bytes: int | None = None
    """Of all workers' captures together."""
    objectives: "tuple[Objective, ...]" = ()
    """`--slo`."""
    money: dict[str, Any] = field(default_factory=dict)
    """The flags that say what a GPU-hour costs."""

    @property
    def url(self) -> BaseUrl:
        return BaseUrl(self.host, self.doors[0].getsockname()[1], tls=self.gate.certificate is not None)

    def live_page(self) -> "LivePage":
        """What makes the live snapshots."""
        from imaxproxy.live.feed import Beside, SnapshotMaker
        from imaxproxy.live.feed.proxy_page import ProxyPage

        title = f"serve {self.url}/v1 -> {', '.join(map(str, self.upstreams.urls))}"
        beside = Beside(self.run, self.engine, self.money)
        return ProxyPage(SnapshotMaker("serve", title, monotonic_ns(), beside, self.objectives), self.engine)

    @property
    def own_url(self) -> BaseUrl:
        """Where we reach ourselves: an address that stands for all of them is none to call."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return replace(self.url, host=host)

    def greet(self) -> None:
        """Tell the user that clients are let in."""
        mark = " (SIMULATED)" if self.engine and self.engine.get("simulated") else ""
        workers = f" by {len(self.doors)} workers" if len(self.doors) > 1 else ""
        engines = ", ".join(map(str, self.upstreams.urls))
        carried = "C" if hot_path() == "c" else "Python (slower than C: docs/serve.md)"
        say(
            f"imaxproxy: {self.url}/v1 -> {engines}{mark}{workers}; journal in {self.run.path}; "
            f"streams carried by {carried}; Ctrl-C to stop"
        )
        if self.host not in ("127.0.0.1", "::1", "localhost") and not self.gate.asks_for_keys:
            say(f"imaxproxy: warning: {self.host} is open to the network, and nobody is asked for a key")


class Files:
    """What one process writes into the run directory."""

    def __init__(self, plan: Plan, worker: int = 0) -> None:
        from imaxproxy.proxy import Capture

        self.journal = Journal(plan.run, worker)
        self._rows: CappedAppender | None = None
        self.capture: Capture | None = None
        if plan.capture is not None:
            path, limit_bytes, workers = plan.run.capture(worker), plan.capture_limit_bytes, len(plan.doors)
            self._rows = CappedAppender(path, limit_bytes, plan.run.captures, _tell, workers)
            self.capture = Capture(plan.capture, self._rows.append)

    @property
    def lost(self) -> int:
        """Lines that could not be written."""
        captured = self._rows.lost + self.capture.lost if self._rows is not None and self.capture is not None else 0
        return self.journal.lost + captured

    async def finish(self) -> None:
        """Write what still waits."""
        if self.capture is not None:
            await self.capture.close()

    def close(self) -> None:
        self.journal.close()
        if self._rows is not None:
            self._rows.close()


def _tell(what: str) -> None:
    say(f"imaxproxy: {what}")


def make_proxy(plan: Plan, files: Files, board: "Board", admission: "Admission") -> "Proxy":
    """The one place where the parts of a proxy meet. Called in the process that relays, inside its loop."""
    from imaxproxy.live.page import live_site
    from imaxproxy.proxy import AskUsage, Proxy

    return Proxy(
        plan.upstreams.fleet(),
        files.journal.add,
        plan.engine,
        admission=admission,
        board=board,
        usage=AskUsage(plan.ask_usage) if plan.ask_usage else None,
        capture=files.capture,
        site=live_site(),
    )


def relay(plan: Plan) -> tuple[str, int]:
    """Relay until stopped: how it ended, and how many journal lines were lost. One worker needs no supervisor."""
    if len(plan.doors) > 1:
        return _supervise(plan)
    import uvloop

    files = Files(plan)
    try:
        return uvloop.run(_until_stopped(plan, files)), files.lost
    finally:
        files.close()


async def _until_stopped(plan: Plan, files: Files) -> str:
    from imaxproxy.metrics import HealthProbe, tune_gc
    from imaxproxy.proxy import LocalBoard

    loop = asyncio.get_running_loop()
    board = LocalBoard(plan.engine, lambda: files.lost, plan.live_page(), plan.objectives)
    admission, tls = plan.gate.admission(plan.upstreams.urls), plan.gate.tls()
    proxy = make_proxy(plan, files, board, admission)
    await proxy.listen(plan.doors[0], tls)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _reload, plan.gate, admission, tls)
    probe = HealthProbe(loop, _both(files.journal.add_health, board.totals.add_health), reads=read_stamps)
    plan.greet()
    tune_gc()
    await stop.wait()
    stop.clear()
    say("imaxproxy: stopping; streams in flight may end (again to drop them)")
    drained = await _drain(proxy, stop, plan.drain_timeout_s)
    await proxy.close()
    await files.finish()
    probe.close()
    return "finished" if drained else DROPPED


def _reload(gate: Gate, admission: "Admission", tls: ssl.SSLContext | None) -> None:
    """Keys and certificate, read again; what cannot be read stays as it was, and the user hears of it."""
    try:
        if tls is not None and gate.certificate is not None:
            gate.certificate.load(tls)
        admission.reload()
        say("imaxproxy: keys read again")
    except UsageError as error:
        say(f"imaxproxy: the old keys stay: {error}")


async def _drain(proxy: "Proxy", stop: asyncio.Event, timeout_s: float) -> bool:
    """True when all streams ended; a second signal or the timeout drops them."""
    drain = asyncio.ensure_future(proxy.drain(timeout_s))
    again = asyncio.ensure_future(stop.wait())
    await asyncio.wait((drain, again), return_when=asyncio.FIRST_COMPLETED)
    again.cancel()
    if not drain.done():
        drain.cancel()
        return False
    return drain.result()


# Many workers -----------------------------------------------------------------------------------------------------


def _supervise(plan: Plan) -> tuple[str, int]:
    import uvloop  # noqa: F401 (before the fork: once in memory, not once a worker)

    from imaxproxy.proxy import Ledger, Supervisor

    ledger = Ledger(len(plan.doors))
    supervisor = Supervisor(
        plan.doors,
        lambda seat: _work(plan, seat, ledger),
        lambda worker, from_byte: _recovered(plan.run, worker, from_byte),
        engine=plan.engine,
        drain_timeout_s=plan.drain_timeout_s,
        say=lambda message: say(f"imaxproxy: {message}"),
        clear=ledger.clear,
        live=plan.live_page(),
        objectives=plan.objectives,
    )
    with contextlib.closing(ledger):
        ended = supervisor.run(plan.greet)
    return ended.how, ended.lost_lines


def _work(plan: Plan, seat: "Seat", ledger: "Ledger") -> int:
    """A worker's life, in its own process: its exit status."""
    import uvloop

    files = Files(plan, seat.number)
    try:
        uvloop.run(_until_told(plan, seat, ledger, files))
    except ImaxproxyError as error:  # a key file that cannot be read, say
        say(f"imaxproxy: worker {seat.number}: {error}")
        return error.exit_code
    finally:
        files.close()
    return 0


async def _until_told(plan: Plan, seat: "Seat", ledger: "Ledger", files: Files) -> None:
    from imaxproxy.metrics import HealthProbe, tune_gc
    from imaxproxy.proxy import WorkerBoard, obey

    board = WorkerBoard(seat.channel, lambda: files.journal.size_bytes, lambda: files.lost, plan.objectives)
    gate = plan.gate.among(seat.workers)
    admission = gate.admission(plan.upstreams.urls, lambda name: ledger.line(name, seat.column))
    proxy = make_proxy(plan, files, board, admission)
    await proxy.listen(seat.door, plan.gate.tls())
    probe = HealthProbe(
        asyncio.get_running_loop(), _both(files.journal.add_health, board.add_health), seat.number, reads=read_stamps
    )
    tune_gc()
    board.ready()
    drained = await obey(proxy, board, plan.drain_timeout_s)
    await proxy.close()
    await files.finish()
    probe.close()
    board.close(dropped=not drained)


def _recovered(run: RunDirectory, worker: int, from_byte: int) -> "Iterator[Exchange]":
    try:
        yield from read_rest(run, worker, from_byte)
    except (ImaxproxyError, LookupError, TypeError, ValueError) as error:  # the journal's reader will say where
        say(f"imaxproxy: the end of worker {worker}'s journal is not readable ({error}): live figures lack it")


def _both(one: "HealthSink", other: "HealthSink") -> "HealthSink":
    def sink(sample: "HealthSample") -> None:
        one(sample)
        other(sample)

    return sink
