"""What a search has found: `search.json`, and its line for people."""

from typing import Any

from imaxproxy.conduct.search.prober import UNITS, Prober
from imaxproxy.load.search import Found


def result_of(found: Found, prober: Prober) -> dict[str, Any]:
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
        "limited_by_trace": found.limited_by_trace,
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
                "too_little": probe.verdict.too_little,
                "backlog_growth_share": summary["window_method"]["backlog_growth_share"],
                "meter_valid": probe.verdict.meter_valid,
                "meter_reasons": summary["meter"]["reasons"],
            }
            for number, (probe, summary) in enumerate(zip(found.probes, prober.summaries, strict=True), 1)
        ],
    }


def line_of(found: Found, prober: Prober) -> str:
    unit = UNITS[prober.by]
    mark = "SIMULATED: " if any(summary["simulated"] for summary in prober.summaries) else ""
    if found.limited_by_trace is not None:
        tried = "no load was tried" if found.highest_met is None else f"{found.highest_met:g} {unit} met the SLO"
        why = f"{found.probes[-1].load:g} {unit}: {found.limited_by_trace}"
        return (
            f"{mark}{tried}; the trace holds no more, so nobody knows where the limit is ({why}). "
            "A longer trace holds more, or --loop with --duration"
        )
    if found.highest_met is None:
        return f"{mark}no load met the SLO: {found.lowest_missed:g} {unit} missed it already"
    low = "?" if found.surely_met is None else f"{found.surely_met:g}"
    high = "?" if found.surely_missed is None else f"{found.surely_missed:g}"
    surely = f"surely met at {low}, surely missed at {high}"
    line = f"{mark}{found.highest_met:g} {unit} met the SLO ({surely}), {len(found.probes)} probes"
    if found.lowest_missed is None:
        line += "; nothing missed it up to --to"
    if found.answer_meter_valid is False:
        line += "; the meter does not believe its own figures there (see meter_reasons in search.json)"
    if found.limited_by_meter:
        line += "; above it the meter itself was the limit, so the engine may carry more"
    return line if found.converged else f"{line}; probes ran out before --precision"
