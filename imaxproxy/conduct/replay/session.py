"""One run of a load: trace in, workers fed, journal and summary out."""

import contextlib
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imaxproxy.clock import NS_PER_S, monotonic_ns
from imaxproxy.conduct.engine.dialect import dialect_of, dialect_of_recipe, say_what_it_cannot
from imaxproxy.conduct.engine.launching import ENGINE_DIED, LaunchedRecipe, engine_metrics
from imaxproxy.conduct.engine.metering import PowerMeter
from imaxproxy.conduct.engine.upstream import EngineChoice, SimulatedRecipe, ask_engine
from imaxproxy.conduct.flags.live import served_live
from imaxproxy.conduct.flags.load import Load
from imaxproxy.conduct.flags.otlp import exporting
from imaxproxy.conduct.flags.power import PowerChoice
from imaxproxy.conduct.flags.simulation import Simulation
from imaxproxy.conduct.output import say
from imaxproxy.conduct.replay.parts import Asked, PartMaker
from imaxproxy.conduct.replay.players import LocalPlayers, Players
from imaxproxy.conduct.replay.progress import LiveScreen, show_progress
from imaxproxy.conduct.replay.stopping import stops_on_signal
from imaxproxy.conduct.replay.summed import summed_up
from imaxproxy.conduct.replay.trace_file import TraceFile
from imaxproxy.conduct.replay.wording import Wordings
from imaxproxy.errors import UsageError
from imaxproxy.live.feed import Beside, PlayerFeed, SnapshotMaker
from imaxproxy.load.process import Crew
from imaxproxy.load.share import ALL, Share
from imaxproxy.load.start_time import StartTime
from imaxproxy.metrics import objectives_of
from imaxproxy.runs import Manifest, RunDirectory, share_record
from imaxproxy.wire import UNKNOWN, VLLM, BaseUrl, EngineDialect, hot_path

_LAST_READS_S = 0.2
"""After an engine's death: the ends of its streams are on their way."""
_HIDDEN = frozenset({"api_key", "out", "as_json", "screen"})
WORKER_MODULE = "imaxproxy.conduct.replay.worker"


@dataclass(frozen=True, slots=True)
class Engine:
    """Where requests go, and what is known of who answers there."""

    url: BaseUrl
    model: str
    described: dict[str, Any] | None
    dialect: EngineDialect
    """Which fields it takes."""
    launched: LaunchedRecipe | None = None
    """Where the command started it itself."""
    simulated_here: bool = False
    """The command simulates it."""
    metrics_sources: list[tuple[str, str | None]] = field(default_factory=list)
    """Root URLs, and names, of replicas on other nodes."""
    metered_there: bool = False
    """Its power is sampled on its own nodes, and comes with their files."""
    context_tokens: int | None = None
    """Longest prompt and answer together, where `/v1/models` says it."""

    @contextlib.contextmanager
    def watched(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Within, the engine's death interrupts the load; what its end does to streams is recorded first."""
        if self.launched is None:
            yield
            return
        later: list[threading.Timer] = []

        def stop(_death: object) -> None:
            later.append(threading.Timer(_LAST_READS_S, interrupt))
            later[-1].start()

        with self.launched.watched(stop):
            yield
        for timer in later:
            timer.cancel()

    @property
    def died(self) -> bool:
        return self.launched is not None and self.launched.died

    def check(self) -> None:
        """Raises EngineError, with its last words, when it was launched here and has died."""
        if self.launched is not None:
            self.launched.check()


class Session:
    """Plays loads of one trace against one engine, a run directory each."""

    def __init__(
        self,
        trace: TraceFile,
        engine: Engine,
        wordings: Wordings,
        command: str,
        flags: dict[str, Any],
        share: Share = ALL,
        start: StartTime | None = None,
        screen: LiveScreen | None = None,
    ) -> None:
        """share: which part of the schedule is played here, from `start` on.  screen: where it is watched."""
        self._trace, self.engine, self._wordings = trace, engine, wordings
        self._command, self._flags = command, flags
        self._share, self._start, self._screen = share, start, screen
        self.interrupted = False
        """The last run was told to stop, be it when it was over already."""

    def play(self, load: Load, run: RunDirectory, crew: Crew) -> dict[str, Any]:
        """One run to its end; its summary. Raises when a worker died: the journal is summed up all the same."""
        return self.play_by(LocalPlayers(crew, self._share, self._flags["workers"]), load, run)

    def play_by(self, players: Players, load: Load, run: RunDirectory) -> dict[str, Any]:
        """As `play`, by whoever plays."""
        flags = self._flags
        if self.engine.context_tokens is not None:
            self._trace.warn_of_context(self.engine.context_tokens)
        salt = flags["salt"] if flags["salt"] is not None else secrets.token_hex(4)
        manifest = self._manifest(load, salt)
        manifest.write(run)
        wording = self._wordings.of(
            self.engine.url,
            self.engine.model,
            salt,
            makes_prompts=self._trace.makes_prompts,
            embedded=flags["simulate"],
        )
        maker = PartMaker(self._trace, self._wordings, load, flags)
        endless = load.loop or load.lanes is not None
        with contextlib.ExitStack() as until_summed_up:
            meter = self._meter()
            with meter.measuring(run) as metered:
                manifest = replace(manifest, settings=manifest.settings | metered)
                manifest.write(run)
                with (
                    self.engine.watched(players.interrupt),
                    engine_metrics(run, self._metrics_sources()),
                    exporting(run, flags, self.engine.described, self.engine.model),
                ):
                    stop = until_summed_up.enter_context(stops_on_signal(players))
                    engine = self.engine
                    asked = Asked(engine.url, engine.model, engine.dialect, engine.described)
                    players.begin(maker, asked, wording, salt, run)
                    requests = None if endless else self._trace.requests or flags["limit"]
                    feed = self._feed(load, run, players, requests)
                    with served_live(feed, flags.get("live_port")):
                        last = show_progress(players, requests, feed, self._screen)
                    stop.load_is_over = True
            found = players.finish()
            meter.take_recording(run, manifest)
            ended = ENGINE_DIED if self.engine.died else last.get("ended", "killed")
            facts = self._trace.facts(wait=True) | found.trace | {"prompts": wording.described}
            facts["system_idle_cut_s"] = None if load.system_idle_s is None else last.get("idle_cut_ns", 0) / NS_PER_S
            lost_lines = last.get("lost_lines", 0)
            manifest = replace(manifest, ended=ended, lost_lines=lost_lines, trace=facts, **found.manifest)
            shows = self._screen is None or not self._screen.is_up
            summary = summed_up(players, run, manifest, shows=shows)
        self.interrupted = stop.asked
        players.close()
        return summary

    def _feed(self, load: Load, run: RunDirectory, players: Players, requests: int | None) -> PlayerFeed:
        """What viewers of the run are shown."""
        flags, engine = self._flags, self.engine
        objectives = objectives_of(flags["slo"]) if flags.get("slo") else ()
        view = players.view(run, objectives)
        title = f"{self._command} {self._trace.path} -> {engine.url}"
        if view.nodes:
            title += f" on {len(view.nodes)} nodes"
        beside = Beside(run, engine.described, flags)
        return PlayerFeed(
            view,
            SnapshotMaker(self._command, title, monotonic_ns(), beside, objectives),
            simulated=engine.simulated_here or bool((engine.described or {}).get("simulated")),
            requests=requests,
            duration_s=load.duration_s,
            progress=self._screen.progress if self._screen is not None else None,
        )

    def _meter(self) -> PowerMeter:
        engine, launched = self.engine, self.engine.launched
        is_ours = "power" in self._flags and not engine.metered_there
        choice = PowerChoice.of(self._flags) if is_ours else PowerChoice()
        pids = launched.pids if launched is not None else ()
        return PowerMeter(choice, (engine.url,), engine.described or {}, engine.simulated_here, pids)

    def _metrics_sources(self) -> list[tuple[str, str | None]]:
        if self._flags["engine_metrics"] is False:
            return []
        if self.engine.metrics_sources:
            return self.engine.metrics_sources
        if self.engine.launched is not None:
            return self.engine.launched.metrics_sources
        return [(str(self.engine.url), None)] if self._flags["engine_metrics"] else []

    def _manifest(self, load: Load, salt: str) -> Manifest:
        settings = {name: _plain(value) for name, value in self._flags.items() if name not in _HIDDEN}
        settings |= {"url": str(self.engine.url), "model": self.engine.model, "salt": salt}
        settings |= {"dialect": self.engine.dialect.name}
        settings |= {"rate": load.rate, "concurrency": load.concurrency, "seed": load.seed}
        facts = self._trace.facts(wait=False)
        return Manifest(
            self._command,
            without_key(sys.argv),
            settings,
            engine=self.engine.described,
            trace=facts,
            hot_path=hot_path(),
            shares=self._shares(),
        )

    def _shares(self) -> list[dict[str, Any]] | None:
        """For the manifest, and for `imaxproxy merge`; None for a whole run."""
        if self._start is None:
            return None
        workers = list(self._share.workers(self._flags["workers"]))
        return [share_record(self._share.index, self._share.of, workers, self._start.zero_ns, self._start.as_dict())]


@contextlib.contextmanager
def engine_of(choice: EngineChoice, flags: dict[str, Any], run: RunDirectory) -> Iterator[Engine]:
    """The engine that the flags choose: one that runs, or one that is launched or simulated as long as this lasts."""
    if flags["recipe"] is not None and not flags["simulate"]:
        with LaunchedRecipe(flags["recipe"], run.path, choice.launch) as launched:
            url = BaseUrl.parse(launched.base_url, "--engine")
            dialect = dialect_of_recipe(launched.recipe.engine.name)
            say_what_it_cannot(dialect)
            _check_usage(dialect, flags)
            yield Engine(url, flags["model"] or launched.model, launched.describe(), dialect, launched)
        return
    if flags["recipe"] is not None:
        simulation = Simulation.of(flags) if "time_scale" in flags else None
        power = "power" in flags and PowerChoice.of(flags).is_on
        with SimulatedRecipe(flags["recipe"], run.path, simulation, power=power) as simulated:
            url = BaseUrl.parse(simulated.base_url, "--engine")
            models = listed_models(url, flags["api_key"])
            model = flags["model"] or first_model(url, models)
            context = context_tokens(models, model)
            yield Engine(url, model, simulated.describe(), VLLM, simulated_here=True, context_tokens=context)
        return
    url = BaseUrl.parse(flags["url"], "--url")
    described = choice.stated() or _described(url)
    models = listed_models(url, flags["api_key"])
    model = flags["model"] or first_model(url, models)
    dialect = UNKNOWN
    if models is not None:
        dialect = dialect_of(url, model, models, flags["endpoint"], flags["api_key"])
        say_what_it_cannot(dialect)
    _check_usage(dialect, flags)
    yield Engine(url, model, described, dialect, context_tokens=context_tokens(models, model))


def _check_usage(dialect: EngineDialect, flags: dict[str, Any]) -> None:
    if flags["continuous_usage"] and dialect.continuous_usage != "heeded":
        raise UsageError(f"--continuous-usage: {dialect.name} does not tell tokens event by event: leave it out")


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def listed_models(url: BaseUrl, api_key: str | None) -> list[Any] | None:
    """The rows of /v1/models, none where the engine has no such page; None, and a line, when nobody answers."""
    try:
        listed = ask_engine(url, "/v1/models", api_key)
    except OSError as error:  # the run will count what happens to its requests
        say(f"imaxproxy: no engine answers at {url} ({getattr(error, 'reason', error)}); trying all the same")
        return None
    rows = (listed or {}).get("data")
    return rows if isinstance(rows, list) else []


def first_model(url: BaseUrl, models: list[Any] | None) -> str:
    """The first of /v1/models. Raises UsageError when the engine names none."""
    if models is None:
        return "unknown"
    if not models or not isinstance(models[0], dict) or "id" not in models[0]:
        raise UsageError(f"{url}/v1/models names no model: pass --model")
    return str(models[0]["id"])


def context_tokens(models: list[Any] | None, model: str) -> int | None:
    """What vLLM and SGLang say as `max_model_len` of this model."""
    rows = [row for row in models or () if isinstance(row, dict) and row.get("id") == model]
    limit = rows[0].get("max_model_len") if rows else None
    return limit if type(limit) is int and limit > 0 else None


def _described(url: BaseUrl) -> dict[str, Any] | None:
    try:
        return ask_engine(url, "/imax/engine")
    except OSError:
        return None


def check_key(api_key: str | None) -> None:
    """Raises UsageError for a key that no header can hold."""
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise UsageError("--api-key (or OPENAI_API_KEY) holds a line break or other characters that no header can")


def without_key(argv: list[str]) -> list[str]:
    """The command line as it may be written down."""
    hidden = list(argv)
    for index, word in enumerate(hidden):
        if word == "--api-key" and index + 1 < len(hidden):
            hidden[index + 1] = "***"
        elif word.startswith("--api-key="):
            hidden[index] = "--api-key=***"
    return hidden
