"""`imaxproxy replay`."""

import contextlib
from pathlib import Path
from typing import Any

import click

from imaxproxy.cli.catalogue import tag_option
from imaxproxy.cli.judge_flags import check_judgement, exit_code, judge_options
from imaxproxy.cli.launching import ENGINE_DIED
from imaxproxy.cli.live_flags import LIVE_PORT_OPTION, check_live_port
from imaxproxy.cli.load_flags import Load, lane_options, load_options
from imaxproxy.cli.money_flags import check_money, money_options
from imaxproxy.cli.otlp_flags import OTLP_OPTION, check_otlp
from imaxproxy.cli.output import print_repeats, print_result
from imaxproxy.cli.power_flags import PowerChoice, power_options
from imaxproxy.cli.ray_flags import RayChoice, ray_options
from imaxproxy.cli.screen import screen_of, screen_option
from imaxproxy.cli.session import WORKER_MODULE, Session, check_key, engine_of
from imaxproxy.cli.share_flags import ShareChoice, share_options
from imaxproxy.cli.simulation_flags import Simulation, simulation_options
from imaxproxy.cli.trace_file import TraceFile
from imaxproxy.cli.upstream import EngineChoice, engine_options
from imaxproxy.cli.wording import Wordings, wording_options
from imaxproxy.errors import UsageError
from imaxproxy.load import Ended, cancel_of
from imaxproxy.load.process import Crew
from imaxproxy.runs import RunDirectory, repeats, write_json
from imaxproxy.traces import FORMATS, PATHS
from imaxproxy.wire import BaseUrl


@click.command(short_help="Send a trace to an engine, and measure what comes back.")
@click.argument("trace", metavar="TRACE", type=click.Path(path_type=Path))
@engine_options("--url")
@simulation_options
@click.option("--model", help="Model name to ask for.  [default: the first of the engine's /v1/models]")
@click.option("--endpoint", type=click.Choice(list(PATHS)), default="chat", show_default=True)
@click.option("--rate", type=float, metavar="R", help="Open loop: R requests/s, whatever the trace's timestamps.")
@click.option("--concurrency", type=click.IntRange(min=1), metavar="C", help="Closed loop: C requests in flight.")
@load_options
@lane_options
@share_options
@ray_options
@wording_options
@judge_options
@money_options
@power_options
@tag_option
@OTLP_OPTION
@LIVE_PORT_OPTION
@click.option(
    "--repeat",
    type=click.IntRange(min=1, max=100),
    default=1,
    show_default=True,
    metavar="N",
    help="Play it N times: confidence intervals of all figures, in repeats.json.",
)
@click.option("--format", "format_", type=click.Choice(["auto", *FORMATS]), default="auto", help="Of the trace file.")
@click.option(
    "--api-key", envvar="OPENAI_API_KEY", help="Sent as a bearer token, written nowhere.  [env: OPENAI_API_KEY]"
)
@click.option("--out", type=click.Path(path_type=Path), help="Run directory.  [default: imax-runs/<time>-replay]")
@screen_option
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead of the table.")
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
        from imaxproxy.cli.virtual_replay import replay_virtually

        return replay_virtually(trace, load, flags)
    if (ray := RayChoice.of(flags)) is not None:
        from imaxproxy.cli.ray_replay import replay_on_ray

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
            result, code = _repeat(session, load, run, crew, flags)
        else:
            summary = session.play(load, run, crew)
    if flags["repeat"] > 1:
        print_repeats(result, run, as_json=flags["as_json"])
        engine.check()
        return code
    print_result(summary, run, as_json=flags["as_json"])
    engine.check()
    return exit_code(summary, strict=flags["strict"])


def checked(flags: dict[str, Any]) -> tuple[EngineChoice, Load]:
    """Which engine, and what it is sent. Raises UsageError for flags that do not go together."""
    choice = EngineChoice.of(flags, "--url", flags["url"])
    RayChoice.of(flags)
    Simulation.of(flags)
    load = Load.of(flags)
    if load.lanes is not None and flags["history"] == "live":
        raise UsageError("--history live goes on with answers, and the warm-up of --lanes has none: leave one out")
    if load.lanes is None and (flags["start_at"] is not None or flags["lane_warmup"] is not None):
        raise UsageError("--start-at and --lane-warmup say how --lanes begin: leave them out without --lanes")
    load.rules().of_worker(0, ShareChoice.of(flags).share.all_workers(flags["workers"]))
    if flags["cancel"] is not None:
        cancel_of(flags["cancel"], load.seed)
    check_judgement(flags)
    check_money(flags, choice.gpu_kind())
    PowerChoice.of(flags)
    check_key(flags["api_key"])
    check_otlp(flags)
    check_live_port(flags)
    if flags["url"]:
        BaseUrl.parse(flags["url"], "--url")
    return choice, load


def _repeat(
    session: Session, load: Load, whole: RunDirectory, crew: Crew, flags: dict[str, Any]
) -> tuple[dict[str, Any], int]:
    """Play the same schedule again and again, each with new prompts: all of it, and the worst exit code."""
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
