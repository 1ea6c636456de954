"""Which engine a command talks to: one that runs at a URL, or a recipe that is simulated here."""

import asyncio
import contextlib
import http.client
import json
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from imaxproxy.conduct.engine.launching import LaunchFlags, launch_options
from imaxproxy.conduct.flags.simulation import Simulation, simulated_args
from imaxproxy.economics import gpu_kinds, load_gpu
from imaxproxy.errors import UsageError
from imaxproxy.wire import BaseUrl

_PROBE_TIMEOUT_S = 5.0
_PROBE_BYTES = 4 << 20
"""Of an answer about an engine. One that goes on for longer than this, or than the timeout, is none."""
_AS_IT_IS = LaunchFlags()


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """What the flags say."""

    url: str | None
    url_flag: str
    recipe: str | None
    simulate: bool
    gpu: str | None
    gpus: int | None
    launch: LaunchFlags = _AS_IT_IS

    @classmethod
    def of(cls, flags: dict[str, Any], url_flag: str, url: str | None) -> "EngineChoice":
        """Raises UsageError for flags that do not go together."""
        named = (flags["recipe"], flags["simulate"], flags["gpu"], flags["gpus"])
        choice = cls(url, url_flag, *named, LaunchFlags.of(flags))
        choice.check()
        return choice

    def check(self) -> None:
        """Raises UsageError for flags that do not go together."""
        if (self.url is None) == (self.recipe is None):
            raise UsageError(
                f"give either {self.url_flag} URL, an engine that runs, or --engine RECIPE, one to launch or --simulate"
            )
        if self.simulate and self.recipe is None:
            raise UsageError(f"--simulate goes with --engine RECIPE, not with {self.url_flag}")
        if self.recipe is not None:
            from imaxproxy.launch import check_launchable, load_recipe

            recipe = load_recipe(self.recipe)
            if self.simulate:
                simulated_args(recipe)
            else:
                check_launchable(recipe)
        if self.recipe is not None and (self.gpu is not None or self.gpus is not None):
            raise UsageError(f"--gpu and --gpus describe the engine at {self.url_flag}; a recipe names its own")
        if self.launch != LaunchFlags() and (self.recipe is None or self.simulate):
            raise UsageError("--engine-env, -gpus, -port, --dummy-weights and --model-path launch a real engine")
        if self.gpu is not None:
            load_gpu(self.gpu)
        if (self.gpu is None) != (self.gpus is None):
            raise UsageError("--gpu KIND and --gpus COUNT go together")

    def gpu_kind(self) -> str | None:
        """What it runs on, as far as the flags or the recipe say; None where they do not, or the table has it not."""
        if self.recipe is None:
            return self.gpu
        from imaxproxy.launch import load_recipe

        kind = load_recipe(self.recipe).gpu.kind
        return kind if kind in gpu_kinds() else None

    def stated(self) -> dict[str, Any] | None:
        """What the user says of an engine that runs; None when nothing."""
        if self.gpu is None:
            return None
        return {"simulated": False, "gpu": self.gpu, "gpus": self.gpus, "said_by": "--gpu, --gpus"}


def engine_options(url_flag: str, *, several: bool = False) -> Callable[["click.decorators.FC"], "click.decorators.FC"]:
    """The flags that choose an engine; `url_flag` names the one for an engine that runs, or for several (`urls`)."""
    help_text = "An engine that runs; its base URL, with or without /v1."
    options = [
        click.option(url_flag, "urls", multiple=True, metavar="[NAME=]URL", help=f"{help_text} Repeatable.")
        if several
        else click.option(url_flag, "url", metavar="URL", help=help_text),
        click.option(
            "--engine", "recipe", metavar="RECIPE", help="Launch a recipe: a name from engines/, or a TOML file."
        ),
        click.option("--simulate", is_flag=True, help="Simulate the recipe's engine: no GPU, all figures marked."),
        launch_options,
        click.option(
            "--engine-metrics/--no-engine-metrics",
            default=None,
            help="Sample the engine's own /metrics, once a second.  [default: of an engine launched here]",
        ),
        click.option("--gpu", metavar="KIND", help="What the engine at the URL runs on (b200, h200, ...), for cost."),
        click.option("--gpus", type=click.IntRange(min=1), help="How many of them."),
    ]

    def decorate(command: "click.decorators.FC") -> "click.decorators.FC":
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def ask_engine(url: BaseUrl, path: str, api_key: str | None = None) -> dict[str, Any] | None:
    """GET a JSON object; None when the engine does not have that page. Raises OSError when nobody answers."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    request = urllib.request.Request(f"{url}{path}", headers=headers)
    try:
        with open_straight(request, url, _PROBE_TIMEOUT_S) as answer:
            value = json.loads(_bounded(answer))
    except urllib.error.HTTPError as error:
        error.close()
        return None
    except ValueError:
        return None
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP: {type(error).__name__}") from error
    return value if isinstance(value, dict) else None


def _bounded(answer: http.client.HTTPResponse) -> bytes:
    """The body. Raises ValueError for one that does not end."""
    body, until_s = b"", time.monotonic() + _PROBE_TIMEOUT_S
    while part := answer.read1(1 << 16):
        body += part
        if len(body) > _PROBE_BYTES or time.monotonic() > until_s:
            raise ValueError("the answer does not end")
    return body


def open_straight(request: urllib.request.Request, url: BaseUrl, timeout_s: float) -> Any:  # noqa: ANN401 (urllib)
    """As the player connects: straight, whatever HTTP_PROXY says. Raises as urllib does."""
    straight = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=url.ssl_context), _NoRedirect()]
    return urllib.request.build_opener(*straight).open(request, timeout=timeout_s)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An engine answers itself, or not at all: it does not choose where we connect."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401 (urllib's own signature)
        return None


class SimulatedRecipe:
    """A simulated engine for as long as a command runs; usable from code that is not asynchronous."""

    def __init__(
        self,
        recipe: str,
        out: Path,
        simulation: Simulation | None = None,
        *,
        power: bool = False,
        host: str = "127.0.0.1",
    ) -> None:
        """power: it writes what its boards would draw into `power.jsonl`."""
        from imaxproxy.launch import SimulatedEngine, load_recipe

        extra = ["--time-scale", str(simulation.time_scale)] if simulation else []
        if power:
            extra += ["--power", str(out / "power.jsonl")]
        self._runner = asyncio.Runner()
        self._engine = SimulatedEngine(load_recipe(recipe), out_dir=out, host=host, extra_argv=extra)

    def __enter__(self) -> "SimulatedRecipe":
        try:
            with _interrupts_wait():  # an event loop that is half made cannot be closed
                self._runner.get_loop()
            self._runner.run(self._engine.__aenter__())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._runner.run(self._engine.stop())
        self._runner.close()

    @property
    def base_url(self) -> str:
        return self._engine.base_url

    def describe(self) -> dict[str, Any]:
        return self._engine.describe()


@contextlib.contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Inside, Ctrl-C waits until the end of it. Only a main thread hears of one at all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)
