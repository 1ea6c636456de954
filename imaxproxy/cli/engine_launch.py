"""`imaxproxy engine launch`, `logs`, `stop`."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imaxproxy.conduct.engine.launching import LaunchedRecipe, LaunchFlags, launch_options
from imaxproxy.conduct.output import print_json, say
from imaxproxy.errors import ImaxproxyError, UsageError

if TYPE_CHECKING:
    from imaxproxy.launch import RunningEngine

DEFAULT_PORT = 8000
_POLL_S = 0.05
_STOP_S = 30.0
_LAUNCH_LOG = "launch.log"


@click.command()
@click.argument("recipe", metavar="RECIPE")
@launch_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address that the engine listens on.")
@click.option("--name", metavar="NAME", help="To find it by.  [default: the recipe's name]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of its logs.  [default: imax-runs/<time>-engine]")
@click.option("--detach", is_flag=True, help="Return when it is ready, and leave it running.")
@click.option("--json", "as_json", is_flag=True, help="Print what runs as JSON when it is ready.")
def launch(recipe: str, **flags: Any) -> int:  # noqa: ANN401 (click)
    """Start RECIPE's engine, keep it, stop it with Ctrl-C.

    \b
    imaxproxy engine launch gpt-oss-120b-h200-vllm
    imaxproxy engine launch gpt-oss-120b-h200-vllm --detach && imaxproxy engine stop

    It is ready when it has given a first token and was warmed up. Exit 1 when it died, with its last words.
    """
    from imaxproxy.launch import Register, load_recipe

    found = load_recipe(recipe)
    name = flags["name"] or found.name
    Register().check_free(name)
    out = flags["out"] or Path("imax-runs") / f"{datetime.now():%Y%m%d-%H%M%S}-engine"
    if flags["detach"]:
        return _detach(recipe, name, out, flags)
    launch_flags = LaunchFlags.of(flags)
    if not launch_flags.port:
        launch_flags = replace(launch_flags, port=DEFAULT_PORT)
    return _keep(LaunchedRecipe(recipe, out, launch_flags, flags["host"]), name, as_json=flags["as_json"])


def _keep(launched: LaunchedRecipe, name: str, *, as_json: bool) -> int:
    """Start it, and stay until a signal or its death."""
    from imaxproxy.launch import READY, Register, RunningEngine

    engine = RunningEngine(
        name,
        launched.recipe.name,
        launched.recipe.engine.name,
        launched.model,
        launched.engine.url,
        str(launched.launch.log_dir),
        datetime.now(UTC).isoformat(timespec="seconds"),
    )
    register, over = Register(), threading.Event()
    register.put(engine)
    try:
        with _stopped_by_signals(), launched, launched.watched(lambda death: over.set()):
            running = register.put(replace(engine, state=READY))
            say(f"imaxproxy: {launched.model} at {launched.base_url}; logs in {running.log_dir}; Ctrl-C to stop")
            if as_json:
                print_json(asdict(running))
            with contextlib.suppress(KeyboardInterrupt):
                while not over.wait(3600.0):
                    pass
                launched.check()
            say("imaxproxy: stopping the engine")
    except KeyboardInterrupt:
        launched.check()  # it had died already: why says more than who ended us while that was cleared away
        raise
    finally:
        register.remove(name)
    return 0


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP do what Ctrl-C does."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _detach(recipe: str, name: str, out: Path, flags: dict[str, Any]) -> int:
    """Have another process keep it; wait here until it is ready, or has failed."""
    from imaxproxy.launch import READY, Register

    out.mkdir(parents=True, exist_ok=True)
    log = out / _LAUNCH_LOG
    argv = [sys.executable, "-P", "-m", "imaxproxy.cli.main", "engine", "launch", recipe, "--name", name]
    argv += ["--host", flags["host"], "--out", str(out), "--engine-port", str(flags["engine_port"] or DEFAULT_PORT)]
    argv += ["--engine-env", str(flags["engine_env"])] if flags["engine_env"] else []
    argv += ["--engine-gpus", flags["engine_gpus"]] if flags["engine_gpus"] else []
    argv += ["--dummy-weights"] if flags["dummy_weights"] else []
    argv += ["--model-path", flags["model_path"]] if flags["model_path"] else []
    keeper = _spawn(argv, log)
    said = 0
    try:
        while True:
            code = _ended(keeper)  # before the log: then its last line is there
            lines = log.read_text("utf-8", errors="replace").splitlines() if log.exists() else []
            ended = code is not None
            for line in lines[said : len(lines) - ended]:
                say(line)
            said = max(said, len(lines) - ended)
            if code is not None:
                return _failed(code, lines)
            for engine in Register().engines():
                if engine.name == name and engine.state == READY:
                    print_json(asdict(engine)) if flags["as_json"] else click.echo(f"{engine.url}/v1")
                    return 0
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        os.kill(keeper, signal.SIGTERM)
        os.waitpid(keeper, 0)
        raise


def _spawn(argv: list[str], log: Path) -> int:
    """A process that outlives us, with a session of its own: its id. What it says to people goes to `log`."""
    write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, str(log), write, 0o644),
    ]
    return os.posix_spawn(argv[0], argv, os.environ, file_actions=actions, setsid=True)


def _ended(pid: int) -> int | None:
    """A child's exit status; None while it runs."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _failed(code: int, lines: list[str]) -> int:
    last = lines[-1].removeprefix("imaxproxy: ") if lines else "it said nothing"
    if code == UsageError.exit_code:
        raise UsageError(last)
    raise ImaxproxyError(last)


@click.command()
@click.argument("name", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on until the engine is gone.")
@click.option("--lines", "-n", type=click.IntRange(min=0), default=50, show_default=True, help="The last N of each.")
def logs(name: str | None, follow: bool, lines: int) -> int:
    """Print what a launched engine's processes have said."""
    from imaxproxy.launch import LogReader, Register

    register = Register()
    engine = register.find(name)
    paths = sorted(path for path in Path(engine.log_dir).glob("*.log") if path.name != _LAUNCH_LOG)
    readers = {path: LogReader(path) for path in paths}
    for path, reader in readers.items():
        _print_lines(path, reader.lines()[-lines:] if lines else [], named=len(paths) > 1)
    with contextlib.suppress(KeyboardInterrupt):
        while follow:
            lives = engine.keeper_lives
            for path, reader in readers.items():
                _print_lines(path, reader.lines(), named=len(paths) > 1)
            if not lives:
                break
            time.sleep(_POLL_S * 4)
    return 0


def _print_lines(path: Path, lines: list[str], *, named: bool) -> None:
    for line in lines:
        click.echo(f"{path.stem}: {line}" if named else line)


@click.command()
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="All that run.")
def stop(name: str | None, every: bool) -> int:
    """Stop a launched engine, and wait until nothing of it is left."""
    from imaxproxy.launch import Register

    register = Register()
    if every and name is not None:
        raise UsageError("give a NAME or --all")
    for engine in register.engines() if every else [register.find(name)]:
        _stop(engine)
        register.remove(engine.name)
        say(f"imaxproxy: {engine.name} is stopped")
    return 0


def _stop(engine: "RunningEngine") -> None:
    engine.signal(signal.SIGTERM)
    deadline_s = time.monotonic() + _STOP_S
    while engine.keeper_lives:
        if time.monotonic() > deadline_s:
            engine.kill()
            raise ImaxproxyError(
                f"{engine.name} did not stop within {_STOP_S:g} s; its keeper, process {engine.pid}, was killed, and "
                "the engine goes with it"
            )
        time.sleep(_POLL_S)
