"""`--repeat`: the same schedule again and again, each time with new prompts."""

import contextlib
from typing import Any

from imaxproxy.conduct.engine.launching import ENGINE_DIED
from imaxproxy.conduct.flags.judging import exit_code
from imaxproxy.conduct.flags.load import Load
from imaxproxy.conduct.replay.session import WORKER_MODULE, Session
from imaxproxy.load import Ended
from imaxproxy.load.process import Crew
from imaxproxy.runs import RunDirectory, repeats, write_json


def play_repeats(
    session: Session, load: Load, whole: RunDirectory, crew: Crew, flags: dict[str, Any]
) -> tuple[dict[str, Any], int]:
    """All of them summed up, as `repeats.json` has it, and the worst exit code."""
    summaries, names, code = [], [], 0
    for number in range(1, flags["repeat"] + 1):
        run = RunDirectory.create(whole.path / f"repeat-{number}", "replay")
        with contextlib.ExitStack() as stack:
            if number > 1:
                crew = Crew(WORKER_MODULE, flags["workers"])
                stack.callback(crew.abandon)
            summaries.append(session.play(load, run, crew))
        names.append(run.path.name)
        code = max(code, exit_code(summaries[-1], strict=flags["strict"]))
        if summaries[-1]["ended"] in (Ended.INTERRUPTED, ENGINE_DIED):
            break
    result = repeats(summaries, names)
    write_json(whole.path / "repeats.json", result)
    return result, code
