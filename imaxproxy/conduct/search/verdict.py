"""What a probe has shown: met or missed, and how surely."""

from typing import Any

from imaxproxy.load.search import Verdict
from imaxproxy.metrics import wilson

_MOST_BACKLOG_SHARE = 0.08
"""An open loop of whose requests more than that stay behind is above what the engine carries (metrics/window.py)."""


def verdict_of(summary: dict[str, Any]) -> Verdict:
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


def reached(summary: dict[str, Any], verdict: Verdict) -> str:
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
