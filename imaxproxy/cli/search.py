"""`imaxproxy search`."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from imaxproxy.conduct.engine.upstream import EngineChoice, engine_options
from imaxproxy.conduct.flags.judging import check_judgement, judge_options
from imaxproxy.conduct.flags.load import Load, load_options
from imaxproxy.conduct.flags.money import check_money, money_options
from imaxproxy.conduct.flags.simulation import Simulation, simulation_options
from imaxproxy.conduct.flags.tag import tag_option
from imaxproxy.conduct.output import print_json, say
from imaxproxy.conduct.replay.session import WORKER_MODULE, Session, check_key, engine_of
from imaxproxy.conduct.replay.trace_file import TraceFile
from imaxproxy.conduct.replay.wording import Wordings, wording_options
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.load import Ended, cancel_of
from imaxproxy.load.process import Crew
from imaxproxy.load.search import MOST_PROBES, PRECISION, Found, Verdict
from imaxproxy.load.search import search as search_load
from imaxproxy.metrics import wilson
from imaxproxy.runs import RunDirectory, write_json
from imaxproxy.traces import FORMATS, PATHS
from imaxproxy.wire import BaseUrl

_UNITS = {"rate": "requests/s", "concurrency": "requests in flight"}
_MOST_BACKLOG_SHARE = 0.08
"""An open loop of whose requests more than that stay behind is above what the engine carries (metrics/window.py)."""


@click.command(short_help="Find the highest rate or concurrency that still meets an SLO.")
@click.argument("trace", metavar="TRACE", type=click.Path(path_type=Path))
@engine_options("--url")
@click.option("--model", help="Model name to ask for.  [default: the first of the engine's /v1/models]")
@click.option("--endpoint", type=click.Choice(list(PATHS)), default="chat", show_default=True)
@click.option("--by", type=click.Choice(list(_UNITS)), required=True, help="Open loop: requests/s; closed: in flight.")
@click.option("--from", "lowest", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True)
@click.option("--to", "highest", type=click.FloatRange(min=0, min_open=True), default=4096.0, show_default=True)
@click.option("--precision", type=click.FloatRange(0.001, 1), default=PRECISION, show_default=True)
@click.option("--probes", type=click.IntRange(min=1), default=MOST_PROBES, show_default=True, help="So many at most.")
@simulation_options
@load_options
@wording_options
@judge_options
@money_options
@tag_option
@click.option("--format", "format_", type=click.Choice(["auto", *FORMATS]), default="auto", help="Of the trace file.")
@click.option("--api-key", envvar="OPENAI_API_KEY", help="Sent as a bearer token.  [env: OPENAI_API_KEY]")
@click.option("--out", type=click.Path(path_type=Path), help="Directory of all probes.")
@click.option("--json", "as_json", is_flag=True, help="Print search.json instead of a line.")
def search(trace: Path, **flags: Any) -> int:  # noqa: ANN401 (click hands over what the options above name)
    """Find the highest --by of TRACE at which the --slo is met.

    \b
    imaxproxy search trace.jsonl --url http://127.0.0.1:8000/v1 --by rate --slo 'ttft_ms<500@p99' --duration 60
    imaxproxy search trace.jsonl --engine gpt-oss-120b-b200-vllm --simulate --virtual --by rate --slo 'ttft_ms<500@p99'

    Doubles the load until the SLO is missed, then halves the bracket. Each probe is a run of its own below --out, and
    plays the trace from its start, until --duration. At a rate that the engine does not keep up with, a probe has
    missed, whatever its latencies were so far. Exit 1 when no load met the SLO, when the meter was the limit, when
    probes ran out, or (--strict) when the meter does not believe its figures at the answer.
    """
    choice = EngineChoice.of(flags, "--url", flags["url"])
    check_money(flags, choice.gpu_kind())
    load = _checked(flags)
    with contextlib.ExitStack() as stack:
        prober = _virtual_prober(trace, load, flags) if flags["virtual"] else _prober(trace, load, flags, choice, stack)
        found = search_load(
            prober.probe,
            flags["lowest"],
            flags["highest"],
            whole=flags["by"] == "concurrency",
            precision=flags["precision"],
            most_probes=flags["probes"],
        )
    result = _result(found, prober)
    write_json(prober.whole.path / "search.json", result)
    if flags["as_json"]:
        print_json({**result, "run": str(prober.whole.path)})
    else:
        print(_line(found, prober))
    unsure = flags["strict"] and not found.answer_meter_valid
    return 0 if found.converged and found.highest_met is not None and not found.limited_by_meter and not unsure else 1


def _checked(flags: dict[str, Any]) -> Load:
    """Raises UsageError for flags that do not go together."""
    if flags["slo"] is None:
        raise UsageError("search needs --slo, such as --slo 'ttft_ms<500,tpot_ms<50@p99'")
    check_judgement(flags)
    Simulation.of(flags)
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
    _at(load, flags["by"], flags["lowest"]).rules().of_worker(0, flags["workers"])
    return load


def _at(load: Load, by: str, amount: float) -> Load:
    return replace(load, rate=amount) if by == "rate" else replace(load, concurrency=round(amount))


Play = Callable[[Load, RunDirectory], dict[str, Any]]
"""One run to its end; its summary."""


def _prober(
    trace: Path, load: Load, flags: dict[str, Any], choice: EngineChoice, stack: contextlib.ExitStack
) -> "_Prober":
    """Of an engine that answers over sockets; it lasts as long as `stack`."""
    wordings = Wordings(flags)
    file = TraceFile(trace, flags)
    file.check(_at(load, flags["by"], flags["lowest"]))
    whole = RunDirectory.create(flags["out"], "search")
    session = Session(file, stack.enter_context(engine_of(choice, flags, whole)), wordings, "search", flags)

    def play(at: Load, run: RunDirectory) -> dict[str, Any]:
        crew = Crew(WORKER_MODULE, flags["workers"])
        try:
            summary = session.play(at, run, crew)
        finally:
            crew.abandon()
        session.engine.check()
        return summary

    return _Prober(play, load, whole, flags["by"])


def _virtual_prober(trace: Path, load: Load, flags: dict[str, Any]) -> "_Prober":
    from imaxproxy.conduct.replay.virtual import VirtualSession

    session = VirtualSession(trace, "search", flags)
    session.check(_at(load, flags["by"], flags["lowest"]))
    session.warn_of_context()
    return _Prober(session.play, load, RunDirectory.create(flags["out"], "search"), flags["by"])


class _Prober:
    """Plays the load at one amount after the other, a run directory each."""

    def __init__(self, play: Play, load: Load, whole: RunDirectory, by: str) -> None:
        self._play, self._load, self.whole, self.by = play, load, whole, by
        self.summaries: list[dict[str, Any]] = []

    def probe(self, amount: float) -> Verdict:
        run = RunDirectory.create(self.whole.path / f"probe-{len(self.summaries) + 1}", "search")
        summary = self._play(_at(self._load, self.by, amount), run)
        if summary["ended"] == Ended.INTERRUPTED:
            raise KeyboardInterrupt
        if summary["ended"] == Ended.NO_ENGINE:
            raise ImaxproxyError(f"no engine answered at {amount:g} {_UNITS[self.by]}: see {run.path}")
        self.summaries.append(summary)
        verdict = _verdict(summary)
        say(f"imaxproxy: {amount:g} {_UNITS[self.by]}: {_reached(summary, verdict)}")
        return verdict


def _verdict(summary: dict[str, Any]) -> Verdict:
    """What the probe has shown. One whose queue only grew has missed: a longer one would have shown it in the SLO."""
    objectives = summary["slo"]["objectives"]
    sides = [_side(part) for part in objectives]
    overrun = _is_overrun(summary)
    met = summary["slo"]["met"] and not overrun
    sure = all(side > 0 for side in sides) if met else any(side < 0 for side in sides)
    if met and summary["window_method"]["settled"] is False:
        sure = False
    return Verdict(met, sure, summary["meter"]["valid"], overrun=overrun)


def _is_overrun(summary: dict[str, Any]) -> bool:
    """An open loop has sent more than the engine got done. A closed one waits for it."""
    growth = summary["window_method"]["backlog_growth_share"]
    is_open = summary["meter"]["offered_rate"] is not None
    return is_open and growth is not None and growth > _MOST_BACKLOG_SHARE


def _reached(summary: dict[str, Any], verdict: Verdict) -> str:
    share = summary["slo"]["attainment"]
    judged = "nothing judged" if share is None else f"{share:.1%} of requests met it"
    if verdict.overrun:
        growth = summary["window_method"]["backlog_growth_share"]
        return f"missed: {growth:.0%} of what was sent stayed behind, so the queue only grew ({judged} before it did)"
    return f"{'met' if verdict.met else 'missed'}, {judged}"


def _side(part: dict[str, Any]) -> int:
    """1: the 95 % interval of its share lies above what is needed, -1: below, 0: around it."""
    judged, needed_share = int(part["judged"]), float(part["needed_share"])
    low, high = wilson(round((part["share"] or 0.0) * judged), judged)
    return (low >= needed_share) - (high < needed_share)


def _result(found: Found, prober: _Prober) -> dict[str, Any]:
    """`search.json`."""
    return {
        "schema": "imaxproxy.search/1",
        "by": prober.by,
        "simulated": any(summary["simulated"] for summary in prober.summaries),
        "highest_met": found.highest_met,
        "lowest_missed": found.lowest_missed,
        "surely_met": found.surely_met,
        "surely_missed": found.surely_missed,
        "converged": found.converged,
        "limited_by_meter": found.limited_by_meter,
        "answer_meter_valid": found.answer_meter_valid,
        "probes": [
            {
                "load": probe.load,
                "run": f"probe-{number}",
                "met": probe.verdict.met,
                "sure": probe.verdict.sure,
                "slo": summary["slo"],
                "settled": summary["window_method"]["settled"],
                "overrun": probe.verdict.overrun,
                "backlog_growth_share": summary["window_method"]["backlog_growth_share"],
                "meter_valid": probe.verdict.meter_valid,
                "meter_reasons": summary["meter"]["reasons"],
            }
            for number, (probe, summary) in enumerate(zip(found.probes, prober.summaries, strict=True), 1)
        ],
    }


def _line(found: Found, prober: _Prober) -> str:
    unit = _UNITS[prober.by]
    mark = "SIMULATED: " if any(summary["simulated"] for summary in prober.summaries) else ""
    if found.highest_met is None:
        return f"{mark}no load met the SLO: {found.lowest_missed:g} {unit} missed it already"
    low = "?" if found.surely_met is None else f"{found.surely_met:g}"
    high = "?" if found.surely_missed is None else f"{found.surely_missed:g}"
    line = f"{mark}{found.highest_met:g} {unit} met the SLO (95 % sure of {low} to {high}), {len(found.probes)} probes"
    if found.lowest_missed is None:
        line += "; nothing missed it up to --to"
    if found.answer_meter_valid is False:
        line += "; the meter does not believe its own figures there (see meter_reasons in search.json)"
    if found.limited_by_meter:
        line += "; above it the meter itself was the limit, so the engine may carry more"
    return line if found.converged else f"{line}; probes ran out before --precision"
