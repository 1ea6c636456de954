"""Does the installed engine know every flag that a recipe gives it? Asked of its own --help: no list ages with us."""

import difflib
import os
import re
import subprocess
from collections.abc import Iterator

from imaxproxy.launch.check import Finding
from imaxproxy.launch.engine import Engine, Plan, Process
from imaxproxy.launch.environment import for_engines
from imaxproxy.launch.recipe import Recipe

_TIMEOUT_S = 180.0
"""vLLM's parser took 36 s on two busy cores: it imports torch first."""
_FLAG = re.compile(r"(?<![\w-])--[A-Za-z][\w-]*")


def flag_findings(recipe: Recipe, engine: Engine, plan: Plan) -> Iterator[Finding]:
    """One for each kind of process: those that start the same program are asked once."""
    said: dict[tuple[str, ...], str | None] = {}
    for process in plan.processes:
        command = _command(process, recipe)
        if command not in said:
            said[command] = _help(command, engine.help_flag, process)
        yield _finding(process, said[command])


def _command(process: Process, recipe: Recipe) -> tuple[str, ...]:
    """The words before the first flag, without the model."""
    first = next(at for at, word in enumerate(process.argv) if word.startswith("--"))
    return tuple(word for word in process.argv[:first] if word != recipe.load_from)


def _help(command: tuple[str, ...], help_flag: str, process: Process) -> str | None:
    """What it prints; None when it prints nothing that has flags."""
    try:
        answer = subprocess.run(
            [*command, help_flag],
            env={**for_engines(os.environ), **process.env, "COLUMNS": "200"},
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    text = answer.stdout.decode("utf-8", "replace")
    return text if answer.returncode == 0 and _FLAG.search(text) else None


def _finding(process: Process, said: str | None) -> Finding:
    given = [word.partition("=")[0] for word in process.argv if word.startswith("--")]
    if said is None:
        return Finding("flags", "unknown", f"{process.name}: its --help does not answer")
    known = set(_FLAG.findall(said))
    unknown = [flag for flag in given if flag not in known]
    if not unknown:
        return Finding("flags", "ok", f"{process.name}: it knows all {len(given)} that the recipe gives")
    near = difflib.get_close_matches(unknown[0], known, n=2)
    hint = f"; near it: {', '.join(near)}" if near else ""
    says = f"{process.name}: the engine installed here does not know {', '.join(unknown)}{hint}"
    return Finding(
        "flags", "missing", says, "correct it in your own recipe's [engine.flags], or install another version"
    )
