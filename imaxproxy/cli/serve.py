"""`imaxproxy serve`."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imaxproxy.cli.output import print_result, say
from imaxproxy.cli.seconds import seconds
from imaxproxy.cli.upstream import EngineChoice, SimulatedRecipe, ask_engine, engine_options
from imaxproxy.cli.upstreams import FleetChoice, fleet_options
from imaxproxy.runs import Journal, Manifest, RunDirectory, summarize
from imaxproxy.wire import BaseUrl

if TYPE_CHECKING:
    from imaxproxy.proxy import Proxy


@dataclass(frozen=True, slots=True)
class Listen:
    """Where clients connect, and how long a stopped proxy waits for their streams."""

    host: str
    door: socket.socket
    drain_timeout_s: float

    @property
    def url(self) -> BaseUrl:
        return BaseUrl(self.host, self.door.getsockname()[1])


@click.command(short_help="Stand between clients and an engine, and measure every token.")
@engine_options("--upstream", several=True)
@fleet_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--out", type=click.Path(path_type=Path), help="Run directory.  [default: imax-runs/<time>-serve]")
@click.option(
    "--drain-timeout",
    type=seconds,
    default=300.0,
    show_default=True,
    metavar="S",
    help="After SIGTERM, wait this long for streams.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON at the end.")
def serve(
    urls: tuple[str, ...],
    recipe: str | None,
    *,
    simulate: bool,
    gpu: str | None,
    gpus: int | None,
    host: str,
    port: int,
    out: Path | None,
    drain_timeout: float,
    as_json: bool,
    **fleet_flags: Any,  # noqa: ANN401 (`fleet_options` names them)
) -> int:
    """Stand between any OpenAI client and an engine; relay every byte, stamp every token.

    \b
    imaxproxy serve --upstream http://127.0.0.1:8000 --port 8080
    imaxproxy serve --upstream a=http://10.0.0.1:8000 --upstream b=http://10.0.0.2:8000 --route session
    imaxproxy serve --engine gpt-oss-120b-b200-vllm --simulate

    Point clients at http://127.0.0.1:8080/v1. Each exchange is journalled as it ends; /health and /imax/stats answer
    while it runs. SIGTERM or Ctrl-C lets streams in flight end, then prints the table; a second one drops them, and
    the exit status is 1.
    """
    from imaxproxy.proxy import bind

    choice = EngineChoice(urls[0] if urls else None, "--upstream", recipe, simulate, gpu, gpus)
    choice.check()
    upstreams = FleetChoice.of(urls, fleet_flags)
    described: dict[str, Any] | None
    with contextlib.ExitStack() as stack:
        listen = Listen(host, stack.enter_context(bind(host, port)), drain_timeout)
        run = RunDirectory.create(out, "serve")
        if recipe is not None:
            engine = stack.enter_context(SimulatedRecipe(recipe, run.path))
            upstreams, described = FleetChoice.of((engine.base_url,), fleet_flags), engine.describe()
        else:
            described = choice.stated() or _ask_all(upstreams.urls)
        settings = {**upstreams.settings(), "host": host, "port": port}
        manifest = Manifest("serve", sys.argv, settings, engine=described)
        manifest.write(run)
        ended, lost = _serve(upstreams, listen, run, described)
    replace(manifest, ended=ended, lost_lines=lost).write(run)
    print_result(summarize(run), run, as_json=as_json)
    return 0 if ended == "finished" else 1


def _ask_all(upstreams: Sequence[BaseUrl]) -> dict[str, Any] | None:
    """What is known of the engines; of several, only what holds for all of them."""
    first, *others = [_ask(upstream) for upstream in upstreams]
    return first if all(other == first for other in others) else None


def _ask(upstream: BaseUrl) -> dict[str, Any] | None:
    """An engine that is simulated, or another imaxproxy, says what it is."""
    try:
        return ask_engine(upstream, "/imax/engine")
    except OSError:  # not up yet: /health says so, and clients get 502 until it is
        return None


def _serve(upstreams: FleetChoice, listen: Listen, run: RunDirectory, engine: dict[str, Any] | None) -> tuple[str, int]:
    import uvloop

    journal = Journal(run)
    try:
        return uvloop.run(_until_stopped(upstreams, listen, run, journal, engine)), journal.lost
    finally:
        journal.close()


async def _until_stopped(
    upstreams: FleetChoice, listen: Listen, run: RunDirectory, journal: Journal, engine: dict[str, Any] | None
) -> str:
    from imaxproxy.metrics import HealthProbe, tune_gc
    from imaxproxy.proxy import Proxy

    loop = asyncio.get_running_loop()
    proxy = Proxy(upstreams.fleet(), journal.add, engine)
    await proxy.listen(listen.door)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    probe = HealthProbe(loop, journal.add_health)
    mark = " (SIMULATED)" if engine and engine.get("simulated") else ""
    engines = ", ".join(map(str, upstreams.urls))
    say(f"imaxproxy: {listen.url}/v1 -> {engines}{mark}; journal in {run.path}; Ctrl-C to stop")
    if listen.host not in ("127.0.0.1", "::1", "localhost"):
        say(f"imaxproxy: warning: {listen.host} is open to the network, and nobody is asked for a key")
    tune_gc()
    await stop.wait()
    stop.clear()
    say("imaxproxy: stopping; streams in flight may end (again to drop them)")
    drained = await _drain(proxy, stop, listen.drain_timeout_s)
    await proxy.close()
    probe.close()
    return "finished" if drained else "dropped streams"


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
