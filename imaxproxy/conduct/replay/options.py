"""What a replay is told: the options of `imaxproxy replay`, which are those of a sweep's points too."""

from pathlib import Path
from typing import Any

import click

from imaxproxy.conduct.engine.upstream import EngineChoice, engine_options
from imaxproxy.conduct.flags.judging import check_judgement, judge_options
from imaxproxy.conduct.flags.live import LIVE_PORT_OPTION, check_live_port
from imaxproxy.conduct.flags.load import Load, lane_options, load_options
from imaxproxy.conduct.flags.money import check_money, money_options
from imaxproxy.conduct.flags.otlp import OTLP_OPTION, check_otlp
from imaxproxy.conduct.flags.power import PowerChoice, power_options
from imaxproxy.conduct.flags.ray import RayChoice, ray_options
from imaxproxy.conduct.flags.screen import screen_option
from imaxproxy.conduct.flags.simulation import Simulation, simulation_options
from imaxproxy.conduct.flags.tag import tag_option
from imaxproxy.conduct.replay.session import check_key
from imaxproxy.conduct.replay.share import ShareChoice, share_options
from imaxproxy.conduct.replay.wording import wording_options
from imaxproxy.errors import UsageError
from imaxproxy.load import cancel_of
from imaxproxy.traces import FORMATS, PATHS
from imaxproxy.wire import BaseUrl

_OPTIONS = (
    click.argument("trace", metavar="TRACE", type=click.Path(path_type=Path)),
    engine_options("--url"),
    simulation_options,
    click.option("--model", help="Model name to ask for.  [default: the first of the engine's /v1/models]"),
    click.option("--endpoint", type=click.Choice(list(PATHS)), default="chat", show_default=True),
    click.option("--rate", type=float, metavar="R", help="Open loop: R requests/s, whatever the trace's timestamps."),
    click.option("--concurrency", type=click.IntRange(min=1), metavar="C", help="Closed loop: C requests in flight."),
    load_options,
    lane_options,
    share_options,
    ray_options,
    wording_options,
    judge_options,
    money_options,
    power_options,
    tag_option,
    OTLP_OPTION,
    LIVE_PORT_OPTION,
    click.option(
        "--repeat",
        type=click.IntRange(min=1, max=100),
        default=1,
        show_default=True,
        metavar="N",
        help="Play it N times: confidence intervals of all figures, in repeats.json.",
    ),
    click.option(
        "--format", "format_", type=click.Choice(["auto", *FORMATS]), default="auto", help="Of the trace file."
    ),
    click.option(
        "--api-key", envvar="OPENAI_API_KEY", help="Sent as a bearer token, written nowhere.  [env: OPENAI_API_KEY]"
    ),
    click.option("--out", type=click.Path(path_type=Path), help="Run directory.  [default: imax-runs/<time>-replay]"),
    screen_option,
    click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead of the table."),
)


def replay_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """TRACE and the flags."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


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
