"""`imaxproxy search`."""

import contextlib
from pathlib import Path
from typing import Any

import click

from imaxproxy.conduct.engine.upstream import EngineChoice, engine_options
from imaxproxy.conduct.flags.judging import check_judgement, judge_options
from imaxproxy.conduct.flags.load import Load, load_options
from imaxproxy.conduct.flags.money import check_money, money_options
from imaxproxy.conduct.flags.ray import RayChoice, nodes_options
from imaxproxy.conduct.flags.screen import screen_option
from imaxproxy.conduct.flags.simulation import Simulation, simulation_options
from imaxproxy.conduct.flags.tag import tag_option
from imaxproxy.conduct.output import print_json
from imaxproxy.conduct.replay.session import check_key
from imaxproxy.conduct.replay.wording import wording_options
from imaxproxy.conduct.search.prober import UNITS, at_amount, prober_of
from imaxproxy.conduct.search.result import line_of, result_of
from imaxproxy.errors import UsageError
from imaxproxy.load import cancel_of
from imaxproxy.load.search import MOST_PROBES, PRECISION
from imaxproxy.load.search import search as search_load
from imaxproxy.runs import write_json
from imaxproxy.traces import FORMATS, PATHS
from imaxproxy.wire import BaseUrl


@click.command(short_help="Find the highest rate or concurrency that still meets an SLO.")
@click.argument("trace", metavar="TRACE", type=click.Path(path_type=Path))
@engine_options("--url")
@click.option("--model", help="Model name to ask for.  [default: the first of the engine's /v1/models]")
@click.option("--endpoint", type=click.Choice(list(PATHS)), default="chat", show_default=True)
@click.option("--by", type=click.Choice(list(UNITS)), required=True, help="Open loop: requests/s; closed: in flight.")
@click.option("--from", "lowest", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True)
@click.option("--to", "highest", type=click.FloatRange(min=0, min_open=True), default=4096.0, show_default=True)
@click.option("--precision", type=click.FloatRange(0.001, 1), default=PRECISION, show_default=True)
@click.option("--probes", type=click.IntRange(min=1), default=MOST_PROBES, show_default=True, help="So many at most.")
@simulation_options
@load_options
@nodes_options
@wording_options
@judge_options
@money_options
@tag_option
@click.option("--format", "format_", type=click.Choice(["auto", *FORMATS]), default="auto", help="Of the trace file.")
@click.option("--api-key", envvar="OPENAI_API_KEY", help="Sent as a bearer token.  [env: OPENAI_API_KEY]")
@screen_option
@click.option("--out", type=click.Path(path_type=Path), help="Directory of all probes.")
@click.option("--json", "as_json", is_flag=True, help="Print search.json instead of a line.")
def search(trace: Path, **flags: Any) -> int:  # noqa: ANN401 (click hands over what the options above name)
    """Find the highest --by of TRACE at which the --slo is met.

    \b
    imaxproxy search trace.jsonl --url http://127.0.0.1:8000/v1 --by rate --slo 'ttft_ms<500@p99' --duration 60
    imaxproxy search trace.jsonl --engine gpt-oss-120b-b200-vllm --simulate --virtual --by rate --slo 'ttft_ms<500@p99'

    Doubles the load until the SLO is missed, then halves the bracket. Each probe is a run of its own below --out, and
    plays the trace from its start, until --duration. At a rate that the engine does not keep up with, a probe has
    missed, whatever its latencies were so far; a load that the trace does not hold ends the search. Exit 1 when no
    load met the SLO, when the meter or the trace was the limit, when probes ran out, or (--strict) when the meter does
    not believe its figures at the answer.
    """
    choice = EngineChoice.of(flags, "--url", flags["url"])
    check_money(flags, choice.gpu_kind())
    load = _checked(flags)
    with contextlib.ExitStack() as stack:
        prober = prober_of(trace, load, flags, choice, stack)
        found = search_load(
            prober.probe,
            flags["lowest"],
            flags["highest"],
            whole=flags["by"] == "concurrency",
            precision=flags["precision"],
            most_probes=flags["probes"],
        )
    result = result_of(found, prober)
    write_json(prober.whole.path / "search.json", result)
    if flags["as_json"]:
        print_json({**result, "run": str(prober.whole.path)})
    else:
        print(line_of(found, prober))
    unsure = flags["strict"] and not found.answer_meter_valid
    return 0 if found.converged and found.highest_met is not None and not found.limited_by_meter and not unsure else 1


def _checked(flags: dict[str, Any]) -> Load:
    """Raises UsageError for flags that do not go together."""
    if flags["slo"] is None:
        raise UsageError("search needs --slo, such as --slo 'ttft_ms<500,tpot_ms<50@p99'")
    check_judgement(flags)
    Simulation.of(flags)
    RayChoice.of(flags)
    check_key(flags["api_key"])
    if flags["lowest"] > flags["highest"]:
        raise UsageError(f"--from {flags['lowest']:g} lies above --to {flags['highest']:g}")
    if flags["session_rate"] is not None:
        raise UsageError("--session-rate goes with replay: search sets the load itself")
    if flags["by"] == "concurrency" and any(flags[name] != int(flags[name]) for name in ("lowest", "highest")):
        raise UsageError("--by concurrency counts requests: give whole numbers for --from and --to")
    if flags["cancel"] is not None:
        cancel_of(flags["cancel"], flags["seed"])
    if flags["url"]:
        BaseUrl.parse(flags["url"], "--url")
    try_flags = {**flags, "rate": None, "concurrency": None, flags["by"]: flags["lowest"]}
    load = Load.of(try_flags)
    at_amount(load, flags["by"], flags["lowest"]).rules().of_worker(0, flags["workers"])
    return load
