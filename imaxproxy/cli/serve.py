"""`imaxproxy serve`: its options, and from them the `Plan`."""

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from imaxproxy.conduct.engine.launching import ENGINE_DIED, LaunchedRecipe, engine_metrics
from imaxproxy.conduct.engine.metering import PowerMeter
from imaxproxy.conduct.engine.upstream import EngineChoice, SimulatedRecipe, ask_engine, engine_options
from imaxproxy.conduct.flags.money import check_money, money_options
from imaxproxy.conduct.flags.otlp import OTLP_OPTION, check_otlp, exporting
from imaxproxy.conduct.flags.power import PowerChoice, power_options
from imaxproxy.conduct.flags.screen import screen_of, screen_option
from imaxproxy.conduct.flags.seconds import seconds
from imaxproxy.conduct.flags.tag import tag_option
from imaxproxy.conduct.output import print_result
from imaxproxy.conduct.serve.capturing import (
    capture_limit_bytes,
    capture_mode,
    capture_option,
    capture_settings,
    gather_trace,
    max_capture_option,
)
from imaxproxy.conduct.serve.gate import Gate, gate_options
from imaxproxy.conduct.serve.serving import Plan, relay
from imaxproxy.conduct.serve.upstreams import FleetChoice, fleet_options
from imaxproxy.conduct.summing import sum_up
from imaxproxy.metrics import objectives_of
from imaxproxy.runs import Manifest, RunDirectory
from imaxproxy.wire import BaseUrl, hot_path, shown

_UNWRITTEN = frozenset({"urls", "recipe", "simulate", "gpu", "gpus", "out", "as_json", "screen"})
"""Options that the manifest does not repeat among its settings: it says them elsewhere, or they are no setting."""

AUTO = "auto"
MOST_WORKERS = 1024


def worker_count(value: str | int) -> str | int:
    """How many workers, from 1; or `auto`."""
    if value == AUTO:
        return AUTO
    if not str(value).isdecimal() or not 0 < int(value) <= MOST_WORKERS:
        raise click.BadParameter(f"{value} is not a number of workers from 1 to {MOST_WORKERS}, or auto")
    return int(value)


@click.command(short_help="Stand between clients and an engine, and measure every token.")
@engine_options("--upstream", several=True)
@fleet_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option(
    "--workers",
    type=worker_count,
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that relay, all on one port; auto: one a core.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Run directory.  [default: imax-runs/<time>-serve]")
@click.option(
    "--drain-timeout",
    type=seconds,
    default=300.0,
    show_default=True,
    metavar="S",
    help="After SIGTERM, wait this long for streams.",
)
@capture_option
@max_capture_option
@click.option(
    "--ask-usage",
    type=click.Choice(["final", "continuous"]),
    is_flag=False,
    flag_value="final",
    help="Ask engines for the token counts that a client did not ask for, and keep them from it.",
)
@click.option(
    "--slo", metavar="SLO", help="What good service is: 'ttft_ms<500,tpot_ms<50@p99'; live and in the summary."
)
@gate_options
@money_options
@power_options
@tag_option
@screen_option
@OTLP_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON at the end.")
def serve(**flags: Any) -> int:  # noqa: ANN401 (click hands over what the options above name)
    """Stand between any OpenAI client and an engine; relay every byte, stamp every token.

    \b
    imaxproxy serve --upstream http://127.0.0.1:8000 --port 8080
    imaxproxy serve --upstream a=http://10.0.0.1:8000 --upstream b=http://10.0.0.2:8000 --route session
    imaxproxy serve --upstream http://127.0.0.1:8000 --workers auto
    imaxproxy serve --engine gpt-oss-120b-b200-vllm --simulate

    Point clients at http://127.0.0.1:8080/v1. Each exchange is journalled as it ends; /health and /imax/stats answer
    while it runs. SIGTERM or Ctrl-C lets streams in flight end, then prints the table; a second one drops them, and
    the exit status is 1. With several workers SIGHUP replaces them, and no request fails for it.
    """
    from imaxproxy.proxy import open_doors, usable_cpus

    urls = flags["urls"]
    first = urls[0] if urls else None
    choice = EngineChoice.of(flags, "--upstream", first)
    check_money(flags, choice.gpu_kind())
    power = PowerChoice.of(flags)
    check_otlp(flags)
    objectives = objectives_of(flags["slo"]) if flags["slo"] is not None else ()
    carried_by = hot_path()
    upstreams = FleetChoice.of(urls, flags)
    gate = Gate.of(flags)
    gate.check(upstreams.urls)
    capture_bytes = capture_limit_bytes(flags["max_capture"])
    with contextlib.ExitStack() as stack:
        workers = usable_cpus() if flags["workers"] == AUTO else flags["workers"]
        doors = open_doors(flags["host"], flags["port"], workers)
        for door in doors:
            stack.enter_context(door)
        run = RunDirectory.create(flags["out"], "serve")
        upstreams, described, launched = _engine(stack, flags, choice, run, upstreams)
        flags["capture"] = capture_mode(flags["capture"], flags["out"])
        plan = Plan(
            upstreams,
            described,
            flags["host"],
            doors,
            flags["drain_timeout"],
            run,
            gate,
            flags["ask_usage"],
            capture_settings(flags["capture"]),
            capture_bytes,
            objectives,
            {name: flags[name] for name in ("price", "power_price", "pue")},
        )
        argv, settings = [shown(word) for word in sys.argv], _settings(plan, flags)
        manifest = Manifest("serve", argv, settings, engine=described, hot_path=carried_by)
        manifest.write(run)
        stack.enter_context(engine_metrics(run, _metrics_sources(flags["engine_metrics"], launched, upstreams.urls)))
        pids = launched.pids if launched else ()
        meter = PowerMeter(power, upstreams.urls, described or {}, flags["simulate"], pids)
        with (
            meter.measuring(run) as metered,
            exporting(run, flags, described),
            launched.watched(_stop_ourselves) if launched else contextlib.nullcontext(),
        ):
            manifest = replace(manifest, settings=manifest.settings | metered)
            manifest.write(run)
            with screen_of(flags, f"serve {plan.url}/v1", url=str(plan.own_url), key=plan.gate.screen_key):
                ended, lost = relay(plan)
        meter.take_recording(run, manifest)
    if launched is not None and launched.died:
        ended = ENGINE_DIED
    replace(manifest, ended=ended, lost_lines=lost, capture=gather_trace(run)).write(run)
    print_result(sum_up(run), run, as_json=flags["as_json"])
    if launched is not None:
        launched.check()
    return 0 if ended == "finished" else 1


def _engine(
    stack: contextlib.ExitStack, flags: dict[str, Any], choice: EngineChoice, run: RunDirectory, upstreams: FleetChoice
) -> tuple[FleetChoice, dict[str, Any] | None, LaunchedRecipe | None]:
    """What is relayed to and what the manifest says of it, started from its recipe if one is named."""
    if flags["recipe"] is None:
        return upstreams, choice.stated() or _ask_all(upstreams.urls), None
    if flags["simulate"]:
        engine = stack.enter_context(SimulatedRecipe(flags["recipe"], run.path, power=PowerChoice.of(flags).is_on))
        return FleetChoice.of((engine.base_url,), flags), engine.describe(), None
    launched = stack.enter_context(LaunchedRecipe(flags["recipe"], run.path, choice.launch))
    return FleetChoice.of((launched.base_url,), flags), launched.describe(), launched


def _metrics_sources(
    asked: bool | None, launched: LaunchedRecipe | None, upstreams: Sequence[BaseUrl]
) -> list[tuple[str, str | None]]:
    """Whose /metrics are sampled, by root URL and name."""
    if asked is False:
        return []
    if launched is not None:
        return launched.metrics_sources
    return [(str(url), None) for url in upstreams] if asked else []


def _stop_ourselves(_death: object) -> None:
    """The engine that we launched is dead: streams end with what had come, and nobody new is let in."""
    os.kill(os.getpid(), signal.SIGTERM)


def _ask_all(upstreams: Sequence[BaseUrl]) -> dict[str, Any] | None:
    """What is known of the engines; of several, only what holds for all of them."""
    first, *others = [_ask(upstream) for upstream in upstreams]
    return first if all(other == first for other in others) else None


def _settings(plan: Plan, flags: dict[str, Any]) -> dict[str, Any]:
    """What the manifest says of the options."""
    return plan.upstreams.described() | {name: _plain(flags[name]) for name in flags if name not in _UNWRITTEN}


def _plain(value: object) -> object:
    """As JSON has it."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def _ask(upstream: BaseUrl) -> dict[str, Any] | None:
    """An engine that is simulated, or another imaxproxy, says what it is."""
    try:
        return ask_engine(upstream, "/imax/engine")
    except OSError:  # not up yet: /health says so, and clients get 502 until it is
        return None
