"""One run of a load: trace in, workers fed, journal and summary out."""

import contextlib
import secrets
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from imaxproxy.cli.engine_dialect import dialect_of, dialect_of_recipe, say_what_it_cannot
from imaxproxy.cli.launching import ENGINE_DIED, LaunchedRecipe, engine_metrics
from imaxproxy.cli.load_flags import CHECKED_ROWS, Load, TraceRows
from imaxproxy.cli.output import say
from imaxproxy.cli.progress import show_progress
from imaxproxy.cli.simulation_flags import Simulation
from imaxproxy.cli.upstream import EngineChoice, SimulatedRecipe, ask_engine
from imaxproxy.cli.wording import Wordings
from imaxproxy.errors import UsageError
from imaxproxy.load import Asking, Feeder, IdleCap, ItemMaker, Placement, cancel_of
from imaxproxy.load.process import Crew
from imaxproxy.load.worker import WorkerSettings
from imaxproxy.runs import Manifest, RunDirectory, summarize
from imaxproxy.traces import FORMATS, LookAhead, Prompts, Trace, open_trace, trace_sha256, unit_note
from imaxproxy.wire import UNKNOWN, VLLM, BaseUrl, EngineDialect

_HASHED_WITHIN_S = 0.3
_LAST_READS_S = 0.2
"""After an engine's death: the ends of its streams are on their way."""
_TOO_FAST_PER_S = 200
"""Requests/s: what a trace in seconds looks like when it is read as ms."""
_HIDDEN = frozenset({"api_key", "out", "as_json"})
WORKER_MODULE = "imaxproxy.cli.player_worker"


class TraceFile:
    """The trace, opened as often as workers and laps want it; its first rows are read and checked once."""

    def __init__(self, path: Path, flags: dict[str, Any]) -> None:
        self.path = path
        self.open: Callable[[], Trace] = lambda: open_trace(
            path,
            format=flags["format_"],
            skip_bad=flags["skip_bad"],
            limit=flags["limit"],
            time_unit=flags["time_unit"],
        )
        self._read = self.open()
        self._ahead = LookAhead.at(self._read, CHECKED_ROWS)
        self._hashing: Future[str] = ThreadPoolExecutor(1).submit(trace_sha256, path)

    @property
    def requests(self) -> int | None:
        """How many there are; None for a trace too long to be known before it is read."""
        return len(self._ahead.rows) if self._ahead.whole else None

    @property
    def makes_prompts(self) -> bool:
        """Some rows bring no text, as far as the trace was read."""
        return any(row.input_length and not row.has_content for row in self._ahead.rows)

    @property
    def is_independent(self) -> bool:
        """No request waits for another; False for a trace too long to be known before it is read."""
        return self._ahead.whole and not any(row.session_id or row.wait_for for row in self._ahead.rows)

    def check(self, load: Load) -> None:
        """Raises UsageError for stamps that cannot be played, as far as the trace was read."""
        rows = TraceRows(self._ahead.without_rest(), lambda: self._ahead.rows)
        deque(islice(load.scheduled(rows), len(self._ahead.rows)), maxlen=0)
        if load.by_time and (odd := self._odd_unit()) is not None:
            say(f"imaxproxy: {self.path}: {odd}")

    def _odd_unit(self) -> str | None:
        """A unit that cannot be right, as far as the rows in hand show it; a short trace of a usual rate can be."""
        stamps_ms = [row.timestamp_ms for row in self._ahead.rows if row.timestamp_ms is not None]
        span_s = (max(stamps_ms, default=0.0) - min(stamps_ms, default=0.0)) / 1000
        format = FORMATS[self._read.format]
        is_usual = span_s and span_s < 1 and len(stamps_ms) / span_s < _TOO_FAST_PER_S
        if format.time_field is None or not span_s or is_usual:
            return None
        return unit_note(span_s, len(stamps_ms), self._read.time_unit or format.time_unit)

    def rows(self) -> TraceRows:
        """A reading of its own, for one worker."""
        if self._ahead.whole:
            return TraceRows(self._ahead, self.open)
        return TraceRows(LookAhead(self._ahead.rows, islice(self.open(), CHECKED_ROWS, None), whole=False), self.open)

    def facts(self, *, wait: bool) -> dict[str, Any]:
        """For the manifest. The hash of a huge file is written when it is known, at the latest at the run's end."""
        try:
            sha256 = self._hashing.result(None if wait else _HASHED_WITHIN_S)
        except TimeoutError:
            sha256 = None
        return {
            "path": str(self.path),
            "sha256": sha256,
            "format": self._read.format,
            "skipped": self._read.skipped,
            "skipped_examples": self._read.skipped_examples,
            "clamped": self._read.clamped,
            "unknown_fields": dict(self._read.unknown_fields),
        }


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

    @contextlib.contextmanager
    def watched(self, crew: Crew) -> Iterator[None]:
        """Within, the engine's death stops the load; what its end does to streams is recorded first."""
        if self.launched is None:
            yield
            return
        later: list[threading.Timer] = []

        def stop(_death: object) -> None:
            later.append(threading.Timer(_LAST_READS_S, crew.interrupt))
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
        self, trace: TraceFile, engine: Engine, wordings: Wordings, command: str, flags: dict[str, Any]
    ) -> None:
        self._trace, self.engine, self._wordings = trace, engine, wordings
        self._command, self._flags = command, flags

    def play(self, load: Load, run: RunDirectory, crew: Crew) -> dict[str, Any]:
        """One run to its end; its summary. Raises when a worker died: the journal is summed up all the same."""
        flags = self._flags
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
        parts = [self._part(load, wording.prompts(load.seed, salt), worker) for worker in range(flags["workers"])]
        with self.engine.watched(crew), engine_metrics(run, self._metrics_sources()):
            crew.feed(WorkerSettings(self.engine.url, load.rules(), str(run.path)), [part.feeder for part in parts])
            last = show_progress(crew, None if load.loop else self._trace.requests or flags["limit"])
        ended = ENGINE_DIED if self.engine.died else last.get("ended", "killed")
        facts = self._trace.facts(wait=True) | _played(parts) | {"prompts": wording.described}
        manifest = replace(manifest, ended=ended, lost_lines=last.get("lost_lines", 0), trace=facts)
        manifest.write(run)
        summary = summarize(run)
        crew.close()
        return summary

    def _metrics_sources(self) -> list[tuple[str, str | None]]:
        if self._flags["engine_metrics"] is False:
            return []
        if self.engine.launched is not None:
            return self.engine.launched.metrics_sources
        return [(str(self.engine.url), None)] if self._flags["engine_metrics"] else []

    def _part(self, load: Load, prompts: Prompts, worker: int) -> "_Part":
        flags, engine = self._flags, self.engine
        live = flags["history"] == "live"
        idle_cap = IdleCap(flags["max_idle_gap"], load.speed) if flags["max_idle_gap"] is not None else None
        cancel = cancel_of(flags["cancel"], load.seed) if flags["cancel"] is not None else None
        asking = Asking(engine.url, engine.model, flags["endpoint"], flags["api_key"], live, engine.dialect)
        maker = ItemMaker(asking, prompts, load.speed, cancel)
        scheduled = load.scheduled(self._trace.rows(), idle_cap)
        part = Placement(flags["workers"]).part(scheduled, worker)
        return _Part(Feeder(self._wordings.counted(part), maker.item, live=live), maker, prompts, idle_cap)

    def _manifest(self, load: Load, salt: str) -> Manifest:
        settings = {name: _plain(value) for name, value in self._flags.items() if name not in _HIDDEN}
        settings |= {"url": str(self.engine.url), "model": self.engine.model, "salt": salt}
        settings |= {"dialect": self.engine.dialect.name}
        settings |= {"rate": load.rate, "concurrency": load.concurrency, "seed": load.seed}
        facts = self._trace.facts(wait=False)
        return Manifest(self._command, without_key(sys.argv), settings, engine=self.engine.described, trace=facts)


@dataclass(frozen=True, slots=True)
class _Part:
    """What one worker plays."""

    feeder: Feeder
    maker: ItemMaker
    prompts: Prompts
    idle_cap: IdleCap | None


def _played(parts: list[_Part]) -> dict[str, Any]:
    """What the load did to the trace, for the manifest."""
    return {
        "idle_cut_s": max((part.idle_cap.cut_s for part in parts if part.idle_cap is not None), default=None),
        "below_overhead": sum(part.prompts.below_overhead for part in parts),
        "live_turns": sum(part.maker.live.turns for part in parts),
        "answers_missing": sum(part.maker.live.answers_missing for part in parts),
    }


@contextlib.contextmanager
def engine_of(choice: EngineChoice, flags: dict[str, Any], run: RunDirectory) -> Iterator[Engine]:
    """The engine that the flags choose: one that runs, or one that is launched or simulated as long as this lasts."""
    if flags["recipe"] is not None and not flags["simulate"]:
        with LaunchedRecipe(flags["recipe"], run.path, choice.launch) as launched:
            url = BaseUrl.parse(launched.base_url, "--engine")
            dialect = dialect_of_recipe(launched.recipe.engine.name)
            say_what_it_cannot(dialect)
            yield Engine(url, flags["model"] or launched.model, launched.describe(), dialect, launched)
        return
    if flags["recipe"] is not None:
        simulation = Simulation.of(flags) if "time_scale" in flags else None
        with SimulatedRecipe(flags["recipe"], run.path, simulation) as simulated:
            url = BaseUrl.parse(simulated.base_url, "--engine")
            model = flags["model"] or first_model(url, listed_models(url, flags["api_key"]))
            yield Engine(url, model, simulated.describe(), VLLM)
        return
    url = BaseUrl.parse(flags["url"], "--url")
    described = choice.stated() or _described(url)
    models = listed_models(url, flags["api_key"])
    model = flags["model"] or first_model(url, models)
    dialect = UNKNOWN
    if models is not None:
        dialect = dialect_of(url, model, models, flags["endpoint"], flags["api_key"])
        say_what_it_cannot(dialect)
    yield Engine(url, model, described, dialect)


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
