"""What one `imaxproxy serve` is, all its parts chosen, and the process that relays."""

import asyncio
import signal
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imaxproxy.cli.gate import Gate
from imaxproxy.cli.output import say
from imaxproxy.errors import UsageError
from imaxproxy.runs import Journal, RunDirectory
from imaxproxy.wire import BaseUrl

if TYPE_CHECKING:
    from imaxproxy.proxy import Admission, Proxy, Sink


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a relaying process needs. What an option of `serve` sets stands here, checked."""

    upstream: BaseUrl
    engine: dict[str, Any] | None
    """What is known of the engine behind."""
    host: str
    door: socket.socket
    drain_timeout_s: float
    run: RunDirectory
    gate: Gate

    @property
    def url(self) -> BaseUrl:
        return BaseUrl(self.host, self.door.getsockname()[1], tls=self.gate.certificate is not None)

    def greeting(self) -> str:
        mark = " (SIMULATED)" if self.engine and self.engine.get("simulated") else ""
        return f"{self.url}/v1 -> {self.upstream}{mark}; journal in {self.run.path}; Ctrl-C to stop"


def make_proxy(plan: Plan, sink: "Sink", admission: "Admission") -> "Proxy":
    """The one place where the parts of a proxy meet. Called in the process that relays, inside its loop."""
    from imaxproxy.proxy import Fleet, Proxy

    return Proxy(Fleet([plan.upstream]), sink, plan.engine, admission=admission)


def relay(plan: Plan) -> tuple[str, int]:
    """Relay in this process until stopped: how it ended, and how many journal lines were lost."""
    import uvloop

    journal = Journal(plan.run)
    try:
        return uvloop.run(_until_stopped(plan, journal)), journal.lost
    finally:
        journal.close()


async def _until_stopped(plan: Plan, journal: Journal) -> str:
    from imaxproxy.metrics import HealthProbe, tune_gc

    loop = asyncio.get_running_loop()
    admission, certificate = plan.gate.admission([plan.upstream]), plan.gate.certificate
    proxy = make_proxy(plan, journal.add, admission)
    tls = None if certificate is None else certificate.context()
    await proxy.listen(plan.door, tls)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _reload, plan.gate, admission, tls)
    probe = HealthProbe(loop, journal.add_health)
    say(f"imaxproxy: {plan.greeting()}")
    if plan.host not in ("127.0.0.1", "::1", "localhost") and not admission.asks_for_keys:
        say(f"imaxproxy: warning: {plan.host} is open to the network, and nobody is asked for a key")
    tune_gc()
    await stop.wait()
    stop.clear()
    say("imaxproxy: stopping; streams in flight may end (again to drop them)")
    drained = await _drain(proxy, stop, plan.drain_timeout_s)
    await proxy.close()
    probe.close()
    return "finished" if drained else "dropped streams"


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
