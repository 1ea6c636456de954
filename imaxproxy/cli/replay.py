"""`imaxproxy replay`."""

import contextlib
import secrets
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from imaxproxy.cli.output import print_result, say
from imaxproxy.cli.progress import show_progress
from imaxproxy.cli.seconds import seconds
from imaxproxy.cli.simulation_flags import Simulation, simulation_options
from imaxproxy.cli.trace_facts import trace_facts
from imaxproxy.cli.upstream import EngineChoice, SimulatedRecipe, ask_engine, engine_options
from imaxproxy.errors import UsageError
from imaxproxy.load.item import Item
from imaxproxy.load.player import Ended, Rules
from imaxproxy.load.process import PlayerProcess, check_worker
from imaxproxy.load.schedule import ItemMaker, Scheduled, by_arrivals, by_trace, closed_loop
from imaxproxy.load.worker import WorkerSettings
from imaxproxy.runs import Manifest, RunDirectory, summarize
from imaxproxy.traces import (
    FORMATS,
    PATHS,
    Constant,
    Endpoint,
    LookAhead,
    Poisson,
    Prompts,
    Trace,
    open_trace,
)
from imaxproxy.wire import BaseUrl

_CHECKED_ROWS = 20_000
"""So many rows are read before anything is sent: a broken line is found at once in most traces."""
_FAILED_LIMIT = 0.05
"""InferenceX's bound: more failed requests than that, and the run has failed."""


@dataclass(frozen=True, slots=True)
class Load:
    """When requests leave, as the flags say it."""

    speed: float
    spread_ms: float
    rate: float | None
    arrivals: str | None
    concurrency: int | None
    seed: int

    def check(self) -> None:
        """Raises UsageError for flags that do not go together."""
        if self.rate is not None and self.concurrency is not None:
            raise UsageError("--rate is an open loop and --concurrency a closed one: give one of them")
        if self.speed != 1.0 and (self.rate is not None or self.concurrency is not None):
            raise UsageError("--speed plays the trace's own timestamps: leave it out with --rate or --concurrency")
        if self.arrivals is not None and self.rate is None:
            raise UsageError("--arrivals says how the requests of a --rate come: leave it out without one")

    def scheduled(self, trace: LookAhead) -> Scheduled:
        """The schedule, drawn from the seed and nothing else."""
        if self.concurrency is not None:
            return closed_loop(trace.in_file_order())
        if self.rate is not None:
            drawn = Constant(self.rate) if self.arrivals == "constant" else Poisson(self.rate, self.seed)
            return by_arrivals(trace.in_file_order(), drawn)
        return by_trace(trace.in_time_order(), self.speed, self.spread_ms, self.seed)


@click.command(short_help="Send a trace to an engine, and measure what comes back.")
@click.argument("trace", metavar="TRACE", type=click.Path(path_type=Path))
@engine_options("--url")
@simulation_options
@click.option("--model", help="Model name to ask for.  [default: the first of the engine's /v1/models]")
@click.option("--endpoint", type=click.Choice(list(PATHS)), default="chat", show_default=True)
@click.option("--speed", default=1.0, show_default=True, help="Open loop: play the trace's timestamps X times as fast.")
@click.option(
    "--spread-ties", default=0.0, metavar="MS", help="Width of the trace's ticks: spread equal stamps over it."
)
@click.option("--rate", type=float, metavar="R", help="Open loop: R requests/s, whatever the trace's timestamps.")
@click.option("--arrivals", type=click.Choice(["poisson", "constant"]), help="Of --rate.  [default: poisson]")
@click.option("--concurrency", type=click.IntRange(min=1), metavar="C", help="Closed loop: C requests in flight.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the trace's first N requests.")
@click.option("--duration", type=seconds, metavar="S", help="Send nothing after S seconds.")
@click.option(
    "--timeout",
    type=seconds,
    default=600.0,
    show_default=True,
    metavar="S",
    help="Give a request up after S seconds.",
)
@click.option("--seed", default=0, show_default=True, help="Of arrivals and of prompt texts.")
@click.option("--salt", help="Of prompt texts: one salt, one text.  [default: a new one, so that no cache is warm]")
@click.option("--skip-bad", is_flag=True, help="Leave out and count broken lines instead of stopping at the first.")
@click.option("--format", "format_", type=click.Choice(["auto", *FORMATS]), default="auto", help="Of the trace file.")
@click.option(
    "--api-key", envvar="OPENAI_API_KEY", help="Sent as a bearer token, written nowhere.  [env: OPENAI_API_KEY]"
)
@click.option("--out", type=click.Path(path_type=Path), help="Run directory.  [default: imax-runs/<time>-replay]")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead of the table.")
def replay(trace: Path, **flags: Any) -> int:  # noqa: ANN401 (click hands over what the options above name)
    """Replay TRACE against an engine: at its timestamps, at a rate, or with a fixed number in flight.

    \b
    imaxproxy replay trace.jsonl --url http://127.0.0.1:8000/v1 --speed 2
    imaxproxy replay trace.jsonl --url http://127.0.0.1:8000/v1 --rate 5 --duration 60
    imaxproxy replay trace.jsonl --engine gpt-oss-120b-b200-vllm --simulate --concurrency 32
    imaxproxy replay trace.jsonl --engine gpt-oss-120b-b200-vllm --simulate --virtual

    TRACE is Mooncake's JSONL or the canonical one (docs/traces.md). Rows that give lengths get prompts of exactly so
    many tokens, with the prefixes that their hash_ids share, and are held to their output length. Ctrl-C stops the
    run and reports what was done. Exit 1 when more than 5 % of the requests failed, or none completed.
    """
    choice = EngineChoice(flags["url"], "--url", flags["recipe"], flags["simulate"], flags["gpu"], flags["gpus"])
    choice.check()
    simulation = Simulation(flags["virtual"], flags["time_scale"], flags["power"])
    simulation.check(simulate=flags["simulate"], model=flags["model"])
    load = Load(
        flags["speed"], flags["spread_ties"], flags["rate"], flags["arrivals"], flags["concurrency"], flags["seed"]
    )
    load.check()
    _check_key(flags["api_key"])
    rows = open_trace(trace, format=flags["format_"], skip_bad=flags["skip_bad"], limit=flags["limit"])
    if simulation.virtual:
        summary, run = _virtually(trace, rows, load, flags)
    else:
        summary, run = _live(trace, rows, load, choice, simulation, flags)
    print_result(summary, run, as_json=flags["as_json"])
    return exit_code(summary)


def _virtually(path: Path, rows: Trace, load: Load, flags: dict[str, Any]) -> tuple[dict[str, Any], RunDirectory]:
    from imaxproxy.cli.virtual_replay import replay_virtually

    ahead = LookAhead.at(rows, _CHECKED_ROWS)
    deque(load.scheduled(ahead.without_rest()), maxlen=0)  # complains of stamps that cannot be played
    run = RunDirectory.create(flags["out"], "replay")
    return replay_virtually(path, rows, ahead, load.scheduled(ahead), run, flags), run


def _live(
    path: Path, rows: Trace, load: Load, choice: EngineChoice, simulation: Simulation, flags: dict[str, Any]
) -> tuple[dict[str, Any], RunDirectory]:
    url = BaseUrl.parse(flags["url"], "--url") if flags["url"] else None
    described: dict[str, Any] | None
    worker = PlayerProcess("imaxproxy.cli.player_worker")  # comes up while the trace is checked
    with contextlib.ExitStack() as stack:
        stack.callback(worker.abandon)
        ahead = LookAhead.at(rows, _CHECKED_ROWS)
        deque(load.scheduled(ahead.without_rest()), maxlen=0)  # complains of stamps that cannot be played
        run = RunDirectory.create(flags["out"], "replay")
        if flags["recipe"] is not None:
            engine = stack.enter_context(SimulatedRecipe(flags["recipe"], run.path, simulation))
            url, described = BaseUrl.parse(engine.base_url, "--engine"), engine.describe()
        else:
            assert url is not None
            described = choice.stated() or _described(url)
        session = _Session(path, rows, ahead, load, url, flags, run, described)
        summary = session.play(worker)
    return summary, run


@dataclass(frozen=True, slots=True)
class _Session:
    """One replay, all its parts chosen."""

    path: Path
    trace: Trace
    ahead: LookAhead
    load: Load
    url: BaseUrl
    flags: dict[str, Any]
    run: RunDirectory
    engine: dict[str, Any] | None

    def play(self, worker: PlayerProcess) -> dict[str, Any]:
        salt = self.flags["salt"] if self.flags["salt"] is not None else secrets.token_hex(4)
        model = self.flags["model"] or first_model(self.url, self.flags["api_key"])
        manifest = self._manifest(model, salt)
        manifest.write(self.run)
        rules = Rules(self.load.concurrency, self.flags["duration"], self.flags["timeout"])
        worker.feed(WorkerSettings(self.url, rules, str(self.run.path)), self._items(model, salt))
        last = show_progress(worker, len(self.ahead.rows) if self.ahead.whole else self.flags["limit"])
        ended = last.get("ended", "killed")
        manifest = replace(
            manifest, ended=ended, lost_lines=last.get("lost_lines", 0), trace=trace_facts(self.path, self.trace)
        )
        manifest.write(self.run)
        summary = summarize(self.run)
        check_worker(worker.close())
        return summary

    def _items(self, model: str, salt: str) -> Iterator[Item]:
        endpoint: Endpoint = self.flags["endpoint"]
        prompts = Prompts(self.load.seed, salt)
        maker = ItemMaker(self.url, model, endpoint, prompts, self.flags["api_key"], self.load.speed)
        return maker.items(self.load.scheduled(self.ahead))

    def _manifest(self, model: str, salt: str) -> Manifest:
        hidden = {"api_key", "out", "as_json"}
        settings = {name: value for name, value in self.flags.items() if name not in hidden}
        settings |= {"url": str(self.url), "model": model, "salt": salt}
        return Manifest(
            "replay", _without_key(sys.argv), settings, engine=self.engine, trace=trace_facts(self.path, self.trace)
        )


def first_model(url: BaseUrl, api_key: str | None) -> str:
    """The first of /v1/models. Raises UsageError when the engine names none."""
    try:
        listed = ask_engine(url, "/v1/models", api_key)
    except OSError as error:  # the run will count what happens to its requests
        say(f"imaxproxy: no engine answers at {url} ({getattr(error, 'reason', error)}); trying all the same")
        return "unknown"
    models = (listed or {}).get("data") or []
    if not models or not isinstance(models[0], dict) or "id" not in models[0]:
        raise UsageError(f"{url}/v1/models names no model: pass --model")
    return str(models[0]["id"])


def exit_code(summary: dict[str, Any]) -> int:
    """0, 1 when too much failed, 130 when it was interrupted."""
    requests = summary["requests"]
    bad = requests["failed"] + requests["truncated"]
    if summary["ended"] == Ended.INTERRUPTED:
        return 130
    return 1 if not requests["completed"] or bad > _FAILED_LIMIT * requests["sent"] else 0


def _described(url: BaseUrl) -> dict[str, Any] | None:
    try:
        return ask_engine(url, "/imax/engine")
    except OSError:
        return None


def _check_key(api_key: str | None) -> None:
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise UsageError("--api-key (or OPENAI_API_KEY) holds a line break or other characters that no header can")


def _without_key(argv: list[str]) -> list[str]:
    """The command line as it may be written down."""
    hidden = list(argv)
    for index, word in enumerate(hidden):
        if word == "--api-key" and index + 1 < len(hidden):
            hidden[index + 1] = "***"
        elif word.startswith("--api-key="):
            hidden[index] = "--api-key=***"
    return hidden
