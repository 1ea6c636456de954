"""Service level objectives: which requests were served well enough, and whether enough of them were."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imaxproxy.clock import NS_PER_MS
from imaxproxy.errors import UsageError
from imaxproxy.metrics.batches import Batches
from imaxproxy.metrics.ending import Outcome
from imaxproxy.metrics.exchange import Exchange
from imaxproxy.metrics.interval import wilson_of_share
from imaxproxy.metrics.tally import PER_EXCHANGE_NS, PER_EXCHANGE_RATE
from imaxproxy.metrics.window import Window

DEFAULT_PERCENTILE = 99.0
_LIMITS_ONLY_FROM_ABOVE = frozenset(PER_EXCHANGE_NS)
_WAITED_FOR = frozenset(PER_EXCHANGE_NS) - {"tpot_ms", "send_lag_ms"}
"""Metrics whose value is at least as long as the request has lasted so far."""
_OF_TOKENS = frozenset({"tpot_ms", *PER_EXCHANGE_RATE})
"""Metrics that want to know how many tokens came."""
_OBJECTIVE = re.compile(r"\s*([a-z0-9_]+)\s*(<|>)\s*([0-9.]+)\s*(?:@p([0-9.]+)\s*)?")


@dataclass(frozen=True, slots=True)
class Objective:
    """So many percent of the requests keep this metric below (a rate: above) the limit."""

    metric: str
    limit: float
    """In ms, or tokens/s for a rate."""
    percentile: float = DEFAULT_PERCENTILE

    def __str__(self) -> str:
        return f"{self.metric}{'<' if self.is_upper else '>'}{self.limit:g}@p{self.percentile:g}"

    @property
    def is_upper(self) -> bool:
        """The metric has to stay below the limit."""
        return self.metric in _LIMITS_ONLY_FROM_ABOVE

    def is_met_by(self, exchange: Exchange) -> bool | None:
        """None where nobody can tell: the metric has no meaning for it, or it was given up before its time was over.

        What failed or was cut meets nothing. A request that our own side gave up counts by what it showed until then:
        its first token came in time, or it had already waited for longer than the limit.
        """
        if exchange.outcome in (Outcome.FAILED, Outcome.TRUNCATED):
            return False
        value = self._value(exchange)
        if value is not None:
            return value < self.limit if self.is_upper else value > self.limit
        if exchange.outcome is Outcome.ABORTED and self.metric in _WAITED_FOR and self._waited_too_long(exchange):
            return False
        return None

    def is_unknown_of(self, exchange: Exchange) -> bool:
        """The metric has a meaning for it, but nobody told the tokens that it is made of."""
        return self.metric in _OF_TOKENS and exchange.output_tokens is None

    def _value(self, exchange: Exchange) -> float | None:
        formula: Callable[[Exchange], float | None]
        if self.is_upper:
            formula = PER_EXCHANGE_NS[self.metric]
            value_ns = formula(exchange)
            return None if value_ns is None else value_ns / NS_PER_MS
        return PER_EXCHANGE_RATE[self.metric](exchange)

    def _waited_too_long(self, exchange: Exchange) -> bool:
        ask = exchange.ask
        since_ns = ask.scheduled_ns if "schedule" in self.metric else ask.sent_ns
        return since_ns is not None and (exchange.ended_ns - since_ns) / NS_PER_MS >= self.limit


def objectives_of(text: str) -> tuple[Objective, ...]:
    """Read `--slo`: `ttft_ms<500,tpot_ms<50@p99`. A percentile holds for all objectives since the last one given.

    Without any it is p99. Raises UsageError.
    """
    objectives: list[Objective] = []
    waiting: list[tuple[str, float]] = []
    for part in text.split(","):
        found = _OBJECTIVE.fullmatch(part)
        if found is None:
            raise _unreadable(text, f"cannot read {part.strip()!r}")
        metric, sign, limit_text, percentile_text = found.groups()
        waiting.append((metric, _checked(text, metric, sign, limit_text)))
        if percentile_text is not None:
            percentile = _number(text, percentile_text)
            if not 0 < percentile < 100:
                raise _unreadable(text, f"p{percentile_text} is no percentile")
            objectives += [Objective(name, limit, percentile) for name, limit in waiting]
            waiting = []
    return (*objectives, *(Objective(name, limit) for name, limit in waiting))


def _checked(text: str, metric: str, sign: str, limit_text: str) -> float:
    if metric not in PER_EXCHANGE_NS and metric not in PER_EXCHANGE_RATE:
        raise _unreadable(text, f"{metric} is none of {', '.join((*PER_EXCHANGE_NS, *PER_EXCHANGE_RATE))}")
    if (sign == "<") != (metric in PER_EXCHANGE_NS):
        raise _unreadable(text, f"{metric} has to stay {'below' if metric in PER_EXCHANGE_NS else 'above'} a limit")
    return _number(text, limit_text)


def _number(text: str, digits: str) -> float:
    try:
        return float(digits)
    except ValueError:
        raise _unreadable(text, f"{digits} is no number") from None


def _unreadable(text: str, why: str) -> UsageError:
    return UsageError(f"--slo {text}: {why}; give METRIC<LIMIT[@pXX],..., such as ttft_ms<500,tpot_ms<50@p99")


class SloTally:
    """Takes the exchanges of one window; `attainment` is the share of requests that met all objectives at once."""

    def __init__(self, objectives: tuple[Objective, ...], run: Window | None = None) -> None:
        """run: of which the window is a part, where it is to be known how sure the shares are."""
        self._objectives = objectives
        self._batches = None if run is None else [Batches(run) for _ in objectives]
        self._met = [0] * len(objectives)
        self._judged = [0] * len(objectives)
        self._good = 0
        self._requests = 0
        self._unjudged = 0

    def add(self, exchange: Exchange) -> None:
        if exchange.ask.dialect is None or exchange.error == "stopped":
            return
        verdicts = [objective.is_met_by(exchange) for objective in self._objectives]
        for place, verdict in enumerate(verdicts):
            self._judged[place] += verdict is not None
            self._met[place] += verdict is True
            if self._batches is not None and verdict is not None:
                self._batches[place].add(exchange.ask.begun_ns, hit=verdict)
        unknown = any(objective.is_unknown_of(exchange) for objective in self._objectives)
        if False in verdicts or (True in verdicts and exchange.outcome is Outcome.COMPLETED and not unknown):
            self._requests += 1
            self._good += False not in verdicts
        else:
            self._unjudged += 1

    def merge(self, other: "SloTally") -> None:
        """Add what was judged elsewhere by the same objectives."""
        self._judged = [ours + theirs for ours, theirs in zip(self._judged, other._judged, strict=True)]
        self._met = [ours + theirs for ours, theirs in zip(self._met, other._met, strict=True)]
        for mine, its in zip(self._batches or (), other._batches or (), strict=True):
            mine.merge(its)
        self._good += other._good
        self._requests += other._requests
        self._unjudged += other._unjudged

    @property
    def good(self) -> int:
        return self._good

    @property
    def requests(self) -> int:
        """Those of which it is known whether they met everything."""
        return self._requests

    def stats(self, duration_s: float) -> dict[str, Any]:
        """`slo` of summary.json. Shares are None where nothing was judged; then it is not met.

        `share_low`, `share_high`: the share's 95 % interval (Wilson's, of the trials that it is worth: `Batches`).
        """
        parts = [
            {
                "objective": str(objective),
                "share": met / judged if judged else None,
                **self._interval(place),
                "needed_share": objective.percentile / 100,
                "judged": judged,
                "met": bool(judged) and met / judged >= objective.percentile / 100,
            }
            for place, (objective, met, judged) in enumerate(
                zip(self._objectives, self._met, self._judged, strict=True)
            )
        ]
        return {
            "met": all(part["met"] for part in parts),
            "attainment": self._good / self._requests if self._requests else None,
            "goodput_per_s": self._good / duration_s if duration_s > 0 else None,
            "good": self._good,
            "requests": self._requests,
            "unjudged": self._unjudged,
            "objectives": parts,
        }

    def _interval(self, place: int) -> dict[str, float | None]:
        judged = self._judged[place]
        if self._batches is None or not judged:
            return {"share_low": None, "share_high": None}
        low, high = wilson_of_share(self._met[place] / judged, self._batches[place].effective_trials())
        return {"share_low": low, "share_high": high}
