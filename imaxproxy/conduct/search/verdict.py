"""What a probe has shown: met or missed, and how surely."""

import math
from typing import Any

from imaxproxy.load.search import Verdict

_RATE_SLACK = 0.1
"""Of the rate that was asked for."""
_MOST_BACKLOG_SHARE = 0.08
"""An open loop of whose requests more than that stay behind is above what the engine carries (metrics/window.py)."""


def verdict_of(summary: dict[str, Any], by: str, asked: float) -> Verdict:
    """What the probe of so many requests/s or in flight (`by`) has shown.

    One whose queue only grew has missed: a longer one would have shown it in the SLO.
    """
    objectives = summary["slo"]["objectives"]
    sides = [_side(part) for part in objectives]
    overrun = _is_overrun(summary)
    met = summary["slo"]["met"] and not overrun
    sure = all(side > 0 for side in sides) if met else any(side < 0 for side in sides)
    if met and summary["window_method"]["settled"] is False:
        sure = False
    return Verdict(met, sure, summary["meter"]["valid"], overrun=overrun, too_little=_too_little(summary, by, asked))


def _is_overrun(summary: dict[str, Any]) -> bool:
    """An open loop has sent more than the engine got done. A closed one waits for it."""
    growth = summary["window_method"]["backlog_growth_share"]
    is_open = summary["meter"]["offered_rate"] is not None
    return is_open and growth is not None and growth > _MOST_BACKLOG_SHARE


def _too_little(summary: dict[str, Any], by: str, asked: float) -> str | None:
    """Why the trace did not hold the load that was asked for; None where it did.

    A rate is held when requests were due at it, but for chance (three standard deviations of a Poisson count), and for
    longer than nine of ten requests took: before that, no batch has come to the load. Turns of sessions wait for each
    other, so they bound a rate as the number of requests bounds those in flight.  asked: 0 where any load will do.
    """
    sent, rate = summary["requests"]["sent"], summary["meter"]["offered_rate"]
    if by == "concurrency":
        return f"{sent} requests keep no {asked:g} in flight" if sent < 2 * asked else None
    if rate is None or sent < 2:
        return f"{sent} requests have no rate"
    if rate < asked * (1 - max(_RATE_SLACK, 3 / math.sqrt(sent))):
        return f"it came to {rate:.3g} requests/s: turns of its sessions wait for each other"
    lasted_ms, life_ms = 1000 * (sent - 1) / rate, summary["e2e_ms"]["p90"]
    if life_ms is not None and lasted_ms < life_ms:
        return f"its {sent} requests were sent within {lasted_ms:,.0f} ms, while p90 of E2E was {life_ms:,.0f}"
    return None


def reached(summary: dict[str, Any], verdict: Verdict) -> str:
    share = summary["slo"]["attainment"]
    judged = "nothing judged" if share is None else f"{share:.1%} of requests met it"
    if verdict.overrun:
        growth = summary["window_method"]["backlog_growth_share"]
        return f"missed: {growth:.0%} of what was sent stayed behind, so the queue only grew ({judged} before it did)"
    if verdict.met and verdict.too_little:
        return f"not tried: {verdict.too_little} ({judged})"
    return f"{'met' if verdict.met else 'missed'}, {judged}"


def _side(part: dict[str, Any]) -> int:
    """1: the 95 % interval of its share lies above what is needed, -1: below, 0: around it, or nothing was judged."""
    if part["share_low"] is None:
        return 0
    low, high, needed_share = (float(part[name]) for name in ("share_low", "share_high", "needed_share"))
    return (low >= needed_share) - (high < needed_share)
