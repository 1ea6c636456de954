"""What many exchanges come to: counts and one histogram for each metric. Mergeable."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from imaxproxy.clock import NS_PER_S, NS_PER_US
from imaxproxy.metrics import formulas
from imaxproxy.metrics.ending import Ending, Flag, Outcome
from imaxproxy.metrics.exchange import CountedBy, Exchange
from imaxproxy.metrics.histogram import MOST_FRESH, Histogram

PER_EXCHANGE_NS: dict[str, Callable[[Exchange], float | None]] = {
    "ttfb_ms": formulas.ttfb_ns,
    "ttfe_ms": formulas.ttfe_ns,
    "ttft_ms": formulas.ttft_ns,
    "ttft_from_schedule_ms": formulas.ttft_from_schedule_ns,
    "ttfo_ms": formulas.ttfo_ns,
    "tpot_ms": formulas.tpot_ns,
    "e2e_ms": formulas.e2e_ns,
    "e2e_from_schedule_ms": formulas.e2e_from_schedule_ns,
    "send_lag_ms": formulas.send_lag_ns,
}
PER_EXCHANGE_RATE: dict[str, Callable[[Exchange], float | None]] = {
    "tps_per_user": formulas.tps_per_user,
    "e2e_tps_per_user": formulas.e2e_tps_per_user,
}
METRICS: tuple[str, ...] = (
    "ttfb_ms",
    "ttfe_ms",
    "ttft_ms",
    "ttft_from_schedule_ms",
    "ttfo_ms",
    "itl_ms",
    "event_gap_ms",
    "tpot_ms",
    "e2e_ms",
    "e2e_from_schedule_ms",
    "tps_per_user",
    "e2e_tps_per_user",
    "send_lag_ms",
)
"""In the order in which `summary.json` and the tables show them."""

_OF_GAPS = ("event_gap_ms", "itl_ms")
_EXACTNESS = list(CountedBy)


class Tally:
    """Takes exchanges one by one; `requests`, `tokens` and `stats` give the parts of `summary.json`."""

    def __init__(self, metrics: Sequence[str] = METRICS, most_fresh: int = MOST_FRESH) -> None:
        """`metrics`: those that get a histogram; `most_fresh`: see Histogram."""
        self._most_fresh = most_fresh
        self._histograms = {name: Histogram(most_fresh) for name in metrics}
        self._counts_gaps = any(name in self._histograms for name in _OF_GAPS)
        self._gaps_and_itl = Histogram(most_fresh)
        """Gaps of answers with one token an event, which are their ITL too: counted once, put into both when read."""
        self.outcomes: Counter[Outcome] = Counter()
        self.errors: Counter[str] = Counter()
        self.endings: Counter[Ending] = Counter()
        self.flags: Counter[Flag] = Counter()
        self.counted_by: Counter[CountedBy] = Counter()
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.reasoning_tokens: int | None = None
        self.cached_tokens: int | None = None
        self.token_events = 0
        self.coalesced_events = 0
        self.simulated = 0
        self.retried = 0
        """Attempts that were not a request's first."""
        self.resent = 0
        """Exchanges that we put to an engine a second time: before a byte of an answer, as `Ask.retried` says."""
        self.passed_through = 0
        """Exchanges of paths that are not measured (`/v1/models`, `/tokenize`): in the journal, in no metric."""
        self.client_retries = 0
        """Exchanges that the client's SDK had tried before, without telling its user."""

    def add(self, exchange: Exchange) -> None:
        self.simulated += exchange.simulated
        self.client_retries += bool(exchange.ask.client_retry)
        if exchange.ask.dialect is None:
            self.passed_through += 1
            return
        self.outcomes[exchange.outcome] += 1
        self.retried += exchange.ask.attempt is not None
        self.resent += exchange.ask.retried is not None
        if exchange.error is not None:
            self.errors[exchange.error] += 1
        self.endings[exchange.ending] += 1
        self.flags.update(exchange.flags)
        self._add_tokens(exchange)
        self._add_latencies(exchange)

    def merge(self, other: "Tally") -> None:
        """Add another's counts and histograms; it has the same metrics, or more."""
        for name, histogram in self.histograms.items():
            histogram.merge(other.histograms[name])
        self.outcomes.update(other.outcomes)
        self.errors.update(other.errors)
        self.endings.update(other.endings)
        self.flags.update(other.flags)
        self.counted_by.update(other.counted_by)
        for name in ("input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens"):
            setattr(self, name, _plus(getattr(self, name), getattr(other, name)))
        self.token_events += other.token_events
        self.coalesced_events += other.coalesced_events
        self.simulated += other.simulated
        self.retried += other.retried
        self.resent += other.resent
        self.passed_through += other.passed_through
        self.client_retries += other.client_retries

    @property
    def histograms(self) -> dict[str, Histogram]:
        """By metric."""
        if self._gaps_and_itl.total:
            for name in _OF_GAPS:
                if name in self._histograms:
                    self._histograms[name].merge(self._gaps_and_itl)
            self._gaps_and_itl = Histogram(self._most_fresh)
        return self._histograms

    @property
    def sent(self) -> int:
        return self.outcomes.total()

    def requests(self) -> dict[str, Any]:
        """`requests` of summary.json; completed + failed + aborted + truncated = sent, and so do the endings."""
        counts: dict[str, Any] = {"sent": self.sent}
        counts |= {outcome.value: self.outcomes[outcome] for outcome in Outcome}
        counts["by_ending"] = {ending.value: self.endings[ending] for ending in Ending if self.endings[ending]}
        counts["by_flag"] = {flag.value: self.flags[flag] for flag in Flag if self.flags[flag]}
        return counts | {
            "by_error": dict(sorted(self.errors.items())),
            "retried": self.retried,
            "resent": self.resent,
            "passed_through": self.passed_through,
            "client_retries": self.client_retries,
        }

    def tokens(self) -> dict[str, Any]:
        """`tokens` of summary.json. `counted_by` is the least exact way in use among exchanges that gave tokens."""
        methods = [method for method in _EXACTNESS if self.counted_by[method]]
        return {
            "input": self.input_tokens,
            "output": self.output_tokens,
            "reasoning": self.reasoning_tokens,
            "cached": self.cached_tokens,
            "counted_by": methods[-1].value if methods else None,
            "uncounted_requests": self.counted_by[CountedBy.EVENTS],
        }

    def stats(self) -> dict[str, Any]:
        """Every metric's count, mean, extremes and percentiles; of rates the slow tail, too."""
        stats = {name: histogram.stats() for name, histogram in self.histograms.items()}
        for name in PER_EXCHANGE_RATE:
            if name in stats:
                stats[name] |= self.histograms[name].slow_tail()
        return stats

    def coalesced_event_share(self) -> float | None:
        return self.coalesced_events / self.token_events if self.token_events else None

    def _add_tokens(self, exchange: Exchange) -> None:
        usage = exchange.usage
        self.input_tokens = _plus(self.input_tokens, usage.input_tokens)
        self.output_tokens = _plus(self.output_tokens, exchange.output_tokens)
        self.reasoning_tokens = _plus(self.reasoning_tokens, exchange.reasoning_tokens)
        self.cached_tokens = _plus(self.cached_tokens, usage.cached_tokens)
        self.token_events += len(exchange.timeline)
        self.coalesced_events += exchange.coalesced_events
        answered = len(exchange.timeline) or exchange.outcome is Outcome.COMPLETED
        if answered or exchange.output_tokens is not None:
            self.counted_by[exchange.counted_by] += 1

    def _add_latencies(self, exchange: Exchange) -> None:
        histograms = self._histograms
        for name, formula in PER_EXCHANGE_NS.items():
            if name in histograms and (value_ns := formula(exchange)) is not None:
                histograms[name].record(int(value_ns) // NS_PER_US)
        for name, formula in PER_EXCHANGE_RATE.items():
            if name in histograms and (rate := formula(exchange)) is not None:
                histograms[name].record(round(rate * Histogram.UNIT))
        if not self._counts_gaps:
            return
        if exchange.timeline.one_token_each():  # the common case, where the gaps are both
            self._gaps_and_itl.record_values(formulas.event_gaps_us(exchange.timeline))
            return
        if "event_gap_ms" in histograms:
            histograms["event_gap_ms"].record_values(formulas.event_gaps_us(exchange.timeline))
        if "itl_ms" in histograms:
            for times, values_us in formulas.itl_us(exchange.timeline):
                histograms["itl_ms"].record_values(values_us, times)


def per_second(amount: float | None, duration_s: float) -> float | None:
    """A rate, or None where the amount is unknown or no time has passed."""
    return amount / duration_s if amount is not None and duration_s > 0 else None


def seconds(duration_ns: int) -> float:
    return duration_ns / NS_PER_S


def _plus(a: int | None, b: int | None) -> int | None:
    """Sum of what is known; None only when nothing is."""
    if a is None or b is None:
        return a if b is None else b
    return a + b
