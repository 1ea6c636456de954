"""The engine of a run, as the flags choose it, and what is known of who answers there."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.conduct.engine.dialect import dialect_of, dialect_of_recipe, say_what_it_cannot
from imaxproxy.conduct.engine.launching import LaunchedRecipe
from imaxproxy.conduct.engine.upstream import EngineChoice, SimulatedRecipe, ask_engine
from imaxproxy.conduct.flags.power import PowerChoice
from imaxproxy.conduct.flags.simulation import Simulation
from imaxproxy.conduct.output import say
from imaxproxy.errors import UsageError
from imaxproxy.runs import RunDirectory
from imaxproxy.wire import UNKNOWN, VLLM, BaseUrl, EngineDialect

_LAST_READS_S = 0.2
"""After an engine's death: the ends of its streams are on their way."""


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
    keeps_prefixes: bool | None = None
    """What its recipe says of a prefix cache."""
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


@contextlib.contextmanager
def engine_of(choice: EngineChoice, flags: dict[str, Any], run: RunDirectory) -> Iterator[Engine]:
    """The engine that the flags choose: one that runs, or one that is launched or simulated as long as this lasts."""
    if flags["recipe"] is None:
        yield _running(choice, flags)
        return
    with (_simulated if flags["simulate"] else _launched)(choice, flags, run) as engine:
        yield engine


@contextlib.contextmanager
def _launched(choice: EngineChoice, flags: dict[str, Any], run: RunDirectory) -> Iterator[Engine]:
    with LaunchedRecipe(flags["recipe"], run.path, choice.launch) as launched:
        url = BaseUrl.parse(launched.base_url, "--engine")
        dialect = dialect_of_recipe(launched.recipe.engine.name)
        say_what_it_cannot(dialect)
        _check_usage(dialect, flags)
        model, keeps = flags["model"] or launched.model, launched.recipe.limits.prefix_caching
        yield Engine(url, model, launched.describe(), dialect, launched, keeps_prefixes=keeps)


@contextlib.contextmanager
def _simulated(_choice: EngineChoice, flags: dict[str, Any], run: RunDirectory) -> Iterator[Engine]:
    from imaxproxy.launch import load_recipe

    simulation = Simulation.of(flags) if "time_scale" in flags else None
    power = "power" in flags and PowerChoice.of(flags).is_on
    keeps = load_recipe(flags["recipe"]).limits.prefix_caching
    with SimulatedRecipe(flags["recipe"], run.path, simulation, power=power) as simulated:
        url = BaseUrl.parse(simulated.base_url, "--engine")
        models = listed_models(url, flags["api_key"])
        model = flags["model"] or first_model(url, models)
        facts, context = simulated.describe(), context_tokens(models, model)
        yield Engine(url, model, facts, VLLM, simulated_here=True, keeps_prefixes=keeps, context_tokens=context)


def _running(choice: EngineChoice, flags: dict[str, Any]) -> Engine:
    url = BaseUrl.parse(flags["url"], "--url")
    described = choice.stated() or _described(url)
    models = listed_models(url, flags["api_key"])
    model = flags["model"] or first_model(url, models)
    dialect = UNKNOWN
    if models is not None:
        dialect = dialect_of(url, model, models, flags["endpoint"], flags["api_key"])
        say_what_it_cannot(dialect)
    _check_usage(dialect, flags)
    return Engine(url, model, described, dialect, context_tokens=context_tokens(models, model))


def _check_usage(dialect: EngineDialect, flags: dict[str, Any]) -> None:
    if flags["continuous_usage"] and dialect.continuous_usage != "heeded":
        raise UsageError(f"--continuous-usage: {dialect.name} does not tell tokens event by event: leave it out")


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
