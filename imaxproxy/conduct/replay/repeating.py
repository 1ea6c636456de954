"""`--repeat`: the same schedule again and again, each time with new prompts."""

from collections.abc import Callable
from typing import Any

from imaxproxy.conduct.engine.launching import ENGINE_DIED
from imaxproxy.conduct.flags.judging import INTERRUPTED_CODE, exit_code
from imaxproxy.conduct.flags.load import Load
from imaxproxy.conduct.replay.session import WORKER_MODULE, Session
from imaxproxy.load.process import Crew
from imaxproxy.runs import RunDirectory, repeats, write_json

Play = Callable[[RunDirectory], dict[str, Any]]
"""One run to its end; its summary."""


def play_repeats(
    session: Session, play: Play, whole: RunDirectory, flags: dict[str, Any]
) -> tuple[dict[str, Any], int]:
    """All of them summed up, as `repeats.json` has it, and the worst exit code.

    Raises what one of them raises: those before it are summed up all the same.
    """
    summaries: list[dict[str, Any]] = []
    names: list[str] = []
    code = 0
    try:
        for number in range(1, flags["repeat"] + 1):
            run = RunDirectory.create(whole.path / f"repeat-{number}", "replay")
            summaries.append(play(run))
            names.append(run.path.name)
            code = max(code, exit_code(summaries[-1], strict=flags["strict"]))
            if session.interrupted:
                code = max(code, INTERRUPTED_CODE)
            if session.interrupted or summaries[-1]["ended"] == ENGINE_DIED:
                break
    finally:
        result = repeats(summaries, names) if summaries else {}
        if result:
            write_json(whole.path / "repeats.json", result)
    return result, code


def crews(session: Session, load: Load, first: Crew, workers: int) -> Play:
    """Play by this machine's workers: `first`, which is up, and a new crew for each run after it."""
    up: list[Crew] = [first]

    def play(run: RunDirectory) -> dict[str, Any]:
        crew = up.pop() if up else Crew(WORKER_MODULE, workers)
        try:
            return session.play(load, run, crew)
        finally:
            crew.abandon()

    return play
