"""A recipe's real engine for as long as a command runs: its flags, its progress, its end."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imaxproxy.conduct.output import say
from imaxproxy.runs import RunDirectory

if TYPE_CHECKING:
    from imaxproxy.launch import Death, NodePart, Recipe


ENGINE_DIED = "engine died"
"""How a run has `ended` whose engine, launched by the command, ended before it."""


@dataclass(frozen=True, slots=True)
class LaunchFlags:
    """Where and how a recipe's engine is to run."""

    environment: Path | None = None
    gpus: tuple[str, ...] = ()
    port: int = 0
    dummy_weights: bool = False
    model_path: str | None = None

    @classmethod
    def of(cls, flags: dict[str, Any]) -> "LaunchFlags":
        names = tuple(name.strip() for name in (flags["engine_gpus"] or "").split(",") if name.strip())
        return cls(flags["engine_env"], names, flags["engine_port"], flags["dummy_weights"], flags["model_path"])


def launch_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """The flags that `LaunchFlags` takes."""
    options: list[Callable[..., Any]] = [
        click.option(
            "--engine-env",
            type=click.Path(path_type=Path, exists=True, file_okay=False),
            metavar="DIR",
            help="The environment that holds the engine.  [default: what PATH has]",
        ),
        click.option("--engine-gpus", metavar="G,G,..", help="GPUs to pin the engine to: indices or UUIDs."),
        click.option(
            "--engine-port",
            type=click.IntRange(0, 65535),
            default=0,
            show_default="any free one",
            help="Where the engine listens.",
        ),
        click.option("--dummy-weights", is_flag=True, help="Random weights: nothing to download, speed as it is."),
        click.option("--model-path", metavar="PATH", help="Where the model lies, instead of what the recipe says."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


class LaunchedRecipe:
    """The engine, up and warmed, inside a `with`; or one node's part of it, which runs there."""

    def __init__(
        self,
        recipe: str,
        log_dir: Path,
        flags: LaunchFlags,
        host: str = "127.0.0.1",
        part: "NodePart | None" = None,
    ) -> None:
        """part: of an engine that spans nodes. Only its head listens at the flags' port."""
        from imaxproxy.launch import LaunchedEngine, free_port, load_recipe, prepare, with_model_path

        self.recipe: Recipe = with_model_path(load_recipe(recipe), flags.model_path)
        self.launch = prepare(
            self.recipe,
            log_dir=log_dir,
            host=host,
            port=(flags.port if part is None or part.rank == 0 else 0) or free_port(host),
            environment=flags.environment,
            gpus=flags.gpus,
            dummy_weights=flags.dummy_weights,
            part=part,
        )
        self.engine: LaunchedEngine = LaunchedEngine(self.launch, on_death=self._hear_death)
        self._listeners: list[Callable[[Death], None]] = []

    def __enter__(self) -> "LaunchedRecipe":
        with start_progress(self.recipe) as show:
            self.engine.show = show
            self.engine.__enter__()
        if (times := self.engine.times) is not None:
            say(
                f"imaxproxy: {self.recipe.engine.name} is ready: {times.ready_s:.1f} s to serve, "
                f"{times.first_token_s:.2f} s to its first token, {times.warmup_s:.1f} s of warm-up"
            )
        return self

    def __exit__(self, *exc: object) -> None:
        self.engine.stop()

    @property
    def base_url(self) -> str:
        return f"{self.engine.url}/v1"

    @property
    def model(self) -> str:
        """The name to ask for."""
        return self.launch.door.model

    @property
    def pids(self) -> tuple[int, ...]:
        """Of its processes: whose GPUs are the engine's."""
        return tuple(process.pid for process in self.engine.processes if process.pid is not None)

    @property
    def metrics_sources(self) -> list[tuple[str, str | None]]:
        """For `engine_metrics`; [] for an engine that has no such page."""
        engine = self.launch.engine
        return [] if engine.metrics is None else [(self.engine.url, engine.name)]

    @property
    def died(self) -> bool:
        return self.engine.death is not None

    def describe(self) -> dict[str, Any]:
        from imaxproxy.launch import describe

        times = self.engine.times
        return {**describe(self.recipe, self.launch), "start": times.as_dict() if times else None}

    @contextlib.contextmanager
    def watched(self, listener: "Callable[[Death], None]") -> Iterator[None]:
        """Within, `listener` hears of the engine's death, at once if it is dead already; from a thread."""
        self._listeners.append(listener)
        if self.engine.death is not None:
            listener(self.engine.death)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def check(self) -> None:
        """Raises EngineError, with its last words, when the engine has died."""
        self.engine.check()

    def _hear_death(self, death: "Death") -> None:
        say(f"imaxproxy: the engine died: {death}")
        for listener in list(self._listeners):
            listener(death)


@contextlib.contextmanager
def engine_metrics(run: RunDirectory, sources: Sequence[tuple[str, str | None]]) -> Iterator[None]:
    """Within, each engine's own view is sampled into the run directory. `sources`: root URLs, and names if known."""
    if not sources:
        yield
        return
    from imaxproxy.launch import MetricsProcess

    sampler = MetricsProcess(run.engine_metrics, sources)
    sampler.start()
    try:
        if not sampler.wait_ready():
            say("imaxproxy: the engine's /metrics could not be sampled: the summary will lack its own view")
        yield
    finally:
        sampler.stop()


@contextlib.contextmanager
def start_progress(recipe: "Recipe") -> Iterator[Callable[[float, str], None]]:
    """What shows how far a start has come: a bar on a terminal, a line a milestone in a log."""
    expected = recipe.readiness.expected_s
    usually = f", usually {expected:.0f} s" if expected else ""
    say(f"imaxproxy: starting {recipe.engine.name} for {recipe.name}{usually}")
    if not sys.stderr.isatty():
        yield lambda share, says: say(f"imaxproxy: {share:4.0%} {says}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = [SpinnerColumn(), TimeElapsedColumn(), BarColumn(), TextColumn("{task.description}")]
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=1.0)
        yield lambda share, says: progress.update(task, completed=share, description=says)
