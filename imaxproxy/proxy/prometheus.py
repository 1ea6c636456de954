"""`/metrics`: the figures in Prometheus' text format. Names, units and labels are listed in docs/metrics.md."""

from collections.abc import Iterator
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import Ending, Flag, Histogram, Outcome, Tally, Totals
from imaxproxy.proxy.merged import Merged, is_simulated
from imaxproxy.proxy.upstream_state import UpstreamState

_US_PER_S = 1_000_000
_WAITS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 20, 40, 80, 160)
"""For times to the first token and to the last: 5 ms to 160 s."""
_GAPS_S = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2.5)
"""For times between tokens: 1 ms to 2.5 s."""
_LAGS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1)
_HISTOGRAMS = (
    ("ttft_ms", "ttft", "Time to the first token event of any kind, from the request's last byte sent.", _WAITS_S),
    ("ttfo_ms", "ttfo", "Time to the first answer or tool event, reasoning left out.", _WAITS_S),
    ("e2e_ms", "e2e", "Time to the last token event, of completed requests.", _WAITS_S),
    ("itl_ms", "itl", "Inter-token latency, a value for each token.", _GAPS_S),
    ("tpot_ms", "tpot", "Time per output token after the first event, a value for each request.", _GAPS_S),
)
_Parts = list[tuple[tuple[str, ...], Tally]]
"""Label values, and what was counted under them."""
_Family = TypeVar("_Family", CounterMetricFamily, GaugeMetricFamily)


def exposition(merged: Merged, engine: dict[str, Any] | None) -> bytes:
    """All families, as a scrape gets them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Exposed(merged, engine))
    return generate_latest(registry)


class _Exposed(Collector):
    """Lives for one scrape."""

    def __init__(self, merged: Merged, engine: dict[str, Any] | None) -> None:
        self._merged, self._engine = merged, engine

    def collect(self) -> Iterator[Metric]:
        totals = self._merged.totals
        yield from _requests(totals)
        yield _tokens("tokens", "Tokens of measured requests, as the engine counts them.", [((), totals.tally)], ())
        yield from _histograms(totals.tally)
        yield from _parts(totals)
        yield from self._now()
        yield from self._meter()

    def _now(self) -> Iterator[Metric]:
        merged = self._merged
        yield _gauge("requests_in_flight", "Requests taken up and not ended.", merged.gauges.in_flight)
        yield _gauge("client_connections", "Open connections of clients.", merged.gauges.connections)
        yield from _upstreams(list(merged.gauges.upstreams.values()))
        simulated = is_simulated(merged, self._engine)
        yield _gauge("simulated", "1: a model of an engine answers; no GPU was measured.", int(simulated))
        if merged.workers:
            fresh = _family(GaugeMetricFamily, "worker_fresh", "0: its figures are those it last gave.", ("worker",))
            for each in merged.workers:
                fresh.add_metric((str(each.number),), int(each.fresh))
            yield fresh

    def _meter(self) -> Iterator[Metric]:
        totals, merged = self._merged.totals, self._merged
        tally = totals.tally
        yield _counter("worker_restarts", "Workers that died and were replaced.", merged.restarts)
        yield _counter("journal_lost_lines", "Lines of the journal or the capture that were lost.", merged.lost_lines)
        yield _counter("token_events", "Stream events with tokens.", tally.token_events)
        yield _counter(
            "coalesced_token_events", "Token events that shared a read with an earlier one.", tally.coalesced_events
        )
        yield _counter("meter_cpu_seconds", "CPU time of the relaying processes.", totals.health.cpu_ns / NS_PER_S)
        help_ = "How late the event loop was, by which stamps may be late."
        yield _histogram("loop_lag", help_, totals.health.lag, _LAGS_S)


def _upstreams(states: list[UpstreamState]) -> Iterator[Metric]:
    up = _family(GaugeMetricFamily, "upstream_up", "The share of processes that send requests to it.", ("upstream",))
    busy = _family(GaugeMetricFamily, "upstream_outstanding", "Requests that it has not finished.", ("upstream",))
    for state in states:
        up.add_metric((state.url,), state.up / state.seen_by)
        busy.add_metric((state.url,), state.outstanding)
    yield up
    yield busy


def _requests(totals: Totals) -> Iterator[Metric]:
    tally = totals.tally
    yield _outcomes("requests", "Measured requests that ended, by how.", [((), tally)], ())
    errors = _family(CounterMetricFamily, "request_errors", "Requests that did not complete, by why.", ("error",))
    for error, count in sorted(tally.errors.items()):
        errors.add_metric((error,), count)
    yield errors
    endings = _family(CounterMetricFamily, "request_endings", "Measured requests by how they ended.", ("ending",))
    for ending in Ending:
        endings.add_metric((ending.value,), tally.endings[ending])
    yield endings
    flags = _family(CounterMetricFamily, "request_flags", "Measured requests that were odd, by what.", ("flag",))
    for flag in Flag:
        flags.add_metric((flag.value,), tally.flags[flag])
    yield flags
    yield _counter("requests_passed_through", "Requests to paths that are not measured.", tally.passed_through)
    uncounted = int(tally.tokens()["uncounted_requests"])
    yield _counter("requests_uncounted", "Answers without usage: their tokens are unknown.", uncounted)
    yield _counter("client_retries", "Requests that a client's SDK sent again by itself.", tally.client_retries)
    retried = _family(CounterMetricFamily, "upstream_retries", "Requests put to an engine a second time.", ("reason",))
    for reason, count in sorted(totals.retried.items()):
        retried.add_metric((reason,), count)
    yield retried
    refused = _family(CounterMetricFamily, "refused", "Requests and connections turned away at the door.", ("reason",))
    for reason, count in sorted(totals.refused.items()):
        refused.add_metric((reason,), count)
    yield refused


def _histograms(tally: Tally) -> Iterator[Metric]:
    for metric, name, help_, bounds_s in _HISTOGRAMS:
        yield _histogram(name, help_, tally.histograms[metric], bounds_s)


def _parts(totals: Totals) -> Iterator[Metric]:
    """Requests and tokens by upstream, by client and by tag. Times by these are in `/imax/stats`: 1,000 tags here would
    be 100,000 series."""
    dimensions = totals.dimensions
    by_tag: _Parts = [
        ((name, value), tally)
        for name, breakdown in dimensions.by_tag.items()
        for value, tally in breakdown.parts.items()
    ]
    by_upstream: _Parts = [((value,), tally) for value, tally in dimensions.by_upstream.parts.items()]
    by_client: _Parts = [((value,), tally) for value, tally in dimensions.by_client.parts.items()]
    for name, labels, parts in (
        ("upstream", ("upstream",), by_upstream),
        ("client", ("client",), by_client),
        ("tag", ("tag", "value"), by_tag),
    ):
        if parts:
            yield _outcomes(f"{name}_requests", f"Measured requests that ended, by {name}.", parts, labels)
            yield _tokens(f"{name}_tokens", f"Tokens of measured requests, by {name}.", parts, labels)


def _outcomes(name: str, help_: str, parts: _Parts, labels: tuple[str, ...]) -> Metric:
    family = _family(CounterMetricFamily, name, help_, (*labels, "outcome"))
    for values, tally in parts:
        for outcome in Outcome:
            family.add_metric((*values, outcome.value), tally.outcomes[outcome])
    return family


def _tokens(name: str, help_: str, parts: _Parts, labels: tuple[str, ...]) -> Metric:
    """Kinds that nobody has counted are left out: unknown is not 0. Reasoning is part of output, cached of input."""
    family = _family(CounterMetricFamily, name, help_, (*labels, "kind"))
    for values, tally in parts:
        counts = tally.tokens()
        for kind in ("input", "output", "reasoning", "cached"):
            if counts[kind] is not None:
                family.add_metric((*values, kind), counts[kind])
    return family


def _histogram(name: str, help_: str, histogram: Histogram, bounds_s: tuple[float, ...]) -> Metric:
    """Cumulative counts at each bound; ours are finer, so a bucket at a bound may be 0.1 % of its value off."""
    counts = histogram.counts_up_to([round(bound * _US_PER_S) for bound in bounds_s])
    buckets = [(str(float(bound)), count) for bound, count in zip(bounds_s, counts, strict=True)]
    family = HistogramMetricFamily(f"imaxproxy_{name}_seconds", help_)
    family.add_metric((), [*buckets, ("+Inf", histogram.total)], histogram.weighted_sum / _US_PER_S)
    return family


def _counter(name: str, help_: str, value: float) -> Metric:
    return CounterMetricFamily(f"imaxproxy_{name}", help_, value=value)


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"imaxproxy_{name}", help_, value=value)


def _family(kind: type[_Family], name: str, help_: str, labels: tuple[str, ...]) -> _Family:
    return kind(f"imaxproxy_{name}", help_, labels=labels)
