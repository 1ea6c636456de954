"""`imaxproxy replay`."""

import contextlib
from pathlib import Path
from typing import Any

import click

from imaxproxy.conduct.engine.chosen import engine_of
from imaxproxy.conduct.flags.judging import exit_code
from imaxproxy.conduct.flags.ray import RayChoice
from imaxproxy.conduct.flags.screen import screen_of
from imaxproxy.conduct.output import print_repeats, print_result
from imaxproxy.conduct.replay.options import checked, replay_options
from imaxproxy.conduct.replay.repeating import crews, play_repeats
from imaxproxy.conduct.replay.session import Session
from imaxproxy.conduct.replay.share import ShareChoice
from imaxproxy.conduct.replay.trace_file import TraceFile
from imaxproxy.conduct.replay.wording import Wordings
from imaxproxy.runs import RunDirectory


@click.command(short_help="Send a trace to an engine, and measure what comes back.")
@replay_options
def replay(trace: Path, **flags: Any) -> int:  # noqa: ANN401 (click hands over what the options above name)
    """Replay TRACE against an engine: at its timestamps, at a rate, or with a fixed number in flight.

    \b
    imaxproxy replay trace.jsonl --url http://127.0.0.1:8000/v1 --speed 2
    imaxproxy replay trace.jsonl --url http://127.0.0.1:8000/v1 --rate 5 --duration 60
    imaxproxy replay claude.jsonl --url http://127.0.0.1:8000/v1 --lanes 16 --duration 900 --max-idle-gap 300
    imaxproxy replay trace.jsonl --engine gpt-oss-120b-b200-vllm --simulate --concurrency 32
    imaxproxy replay trace.jsonl --engine gpt-oss-120b-b200-vllm --simulate --virtual

    TRACE is Mooncake's JSONL or the canonical one (docs/traces.md). Rows that give lengths get prompts of exactly so
    many tokens, with the prefixes that their hash_ids share, and are held to their output length. Ctrl-C stops the
    run and reports what was done. Exit 1 when more than 5 % of the requests failed, or none completed, when the --slo
    was not met, or with --strict when the meter is not valid. docs/replay.md has the whole.
    """
    choice, load = checked(flags)
    if flags["virtual"]:
        from imaxproxy.conduct.replay.virtual import replay_virtually

        return replay_virtually(trace, load, flags)
    if (ray := RayChoice.of(flags)) is not None:
        from imaxproxy.conduct.nodes.replay import replay_on_ray

        return replay_on_ray(trace, choice, load, ray, flags)
    with contextlib.ExitStack() as stack:
        wordings = Wordings(flags)
        screen = stack.enter_context(screen_of(flags, f"replay {trace}"))
        file = TraceFile(trace, flags)
        choice_of_share = ShareChoice.of(flags)
        crew = choice_of_share.crew(flags["workers"])  # comes up while the trace is checked
        stack.callback(crew.abandon)
        file.check(load)
        run = RunDirectory.create(flags["out"], "replay")
        engine = stack.enter_context(engine_of(choice, flags, run))
        session = Session(file, engine, wordings, "replay", flags, choice_of_share.share, choice_of_share.start, screen)
        if flags["repeat"] > 1:
            result, code = play_repeats(session, crews(session, load, crew, flags["workers"]), run, flags)
        else:
            summary = session.play(load, run, crew)
    if flags["repeat"] > 1:
        print_repeats(result, run, as_json=flags["as_json"])
        engine.check()
        return code
    print_result(summary, run, as_json=flags["as_json"])
    engine.check()
    return exit_code(summary, strict=flags["strict"])
