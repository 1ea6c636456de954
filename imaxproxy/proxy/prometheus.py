"""`/metrics`: the figures as Prometheus' families. Names, units and labels are listed in docs/live-feed.md."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import Ending, Flag, Histogram, Outcome, Tally, Totals
from imaxproxy.proxy.families import Distributions, counter, family, gauge, histogram
from imaxproxy.proxy.merged import Merged, is_simulated
from imaxproxy.proxy.prometheus_beside import beside
from imaxproxy.proxy.prometheus_protobuf import delimited
from imaxproxy.proxy.upstream_state import UpstreamState

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


def exposition(merged: Merged, engine: dict[str, Any] | None) -> bytes:
    """All families, as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Exposed(merged, engine))
    return generate_latest(registry)


def protobuf_exposition(merged: Merged, engine: dict[str, Any] | None) -> bytes:
    """The same with native histograms beside the classic ones, as protocol buffers."""
    return delimited(_Exposed(merged, engine).collect())


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
        yield from _slo(totals)
        yield from self._now()
        yield from self._meter()
        yield from beside(self._merged.beside)

    def _now(self) -> Iterator[Metric]:
        merged = self._merged
        yield gauge("requests_in_flight", "Requests taken up and not ended.", merged.gauges.in_flight)
        yield gauge("client_connections", "Open connections of clients.", merged.gauges.connections)
        yield from _upstreams(list(merged.gauges.upstreams.values()))
        simulated = is_simulated(merged, self._engine)
        yield gauge("simulated", "1: a model of an engine answers; no GPU was measured.", int(simulated))
        if merged.workers:
            fresh = family(GaugeMetricFamily, "worker_fresh", "0: its figures are those it last gave.", ("worker",))
            for each in merged.workers:
                fresh.add_metric((str(each.number),), int(each.fresh))
            yield fresh

    def _meter(self) -> Iterator[Metric]:
        totals, merged = self._merged.totals, self._merged
        tally = totals.tally
        yield gauge("meter_valid", "0: its own figures are not to be believed; why: `/imax/live`.", int(self._valid()))
        yield counter("worker_restarts", "Workers that died and were replaced.", merged.restarts)
        yield counter("journal_lost_lines", "Lines of the journal or the capture that were lost.", merged.lost_lines)
        yield counter("token_events", "Stream events with tokens.", tally.token_events)
        yield counter(
            "coalesced_token_events", "Token events that shared a read with an earlier one.", tally.coalesced_events
        )
        yield counter("meter_cpu_seconds", "CPU time of the relaying processes.", totals.health.cpu_ns / NS_PER_S)
        help_ = "How late the event loop was, by which stamps may be late."
        yield histogram("loop_lag", help_, totals.health.lag, _LAGS_S)

    def _valid(self) -> bool:
        """Of all since the start."""
        totals = self._merged.totals
        itl_p99 = totals.tally.histograms["itl_ms"].value_at(99.0)
        verdict = totals.health.verdict(
            itl_p99_ms=None if itl_p99 is None else itl_p99 / Histogram.UNIT,
            coalesced_event_share=None,
            offered_rate=None,
            achieved_rate=None,
        )
        return bool(verdict["valid"])


def _slo(totals: Totals) -> Iterator[Metric]:
    if totals.slo is not None:
        judged = family(CounterMetricFamily, "slo_requests", "Requests by whether they met every --slo.", ("met",))
        judged.add_metric(("true",), totals.slo.good)
        judged.add_metric(("false",), totals.slo.requests - totals.slo.good)
        yield judged


def _upstreams(states: list[UpstreamState]) -> Iterator[Metric]:
    up = family(GaugeMetricFamily, "upstream_up", "The share of processes that send requests to it.", ("upstream",))
    busy = family(GaugeMetricFamily, "upstream_outstanding", "Requests that it has not finished.", ("upstream",))
    for state in states:
        up.add_metric((state.url,), state.up / state.seen_by)
        busy.add_metric((state.url,), state.outstanding)
    yield up
    yield busy


def _requests(totals: Totals) -> Iterator[Metric]:
    tally = totals.tally
    yield _outcomes("requests", "Measured requests that ended, by how.", [((), tally)], ())
    errors = family(CounterMetricFamily, "request_errors", "Requests that did not complete, by why.", ("error",))
    for error, count in sorted(tally.errors.items()):
        errors.add_metric((error,), count)
    yield errors
    endings = family(CounterMetricFamily, "request_endings", "Measured requests by how they ended.", ("ending",))
    for ending in Ending:
        endings.add_metric((ending.value,), tally.endings[ending])
    yield endings
    flags = family(CounterMetricFamily, "request_flags", "Measured requests that were odd, by what.", ("flag",))
    for flag in Flag:
        flags.add_metric((flag.value,), tally.flags[flag])
    yield flags
    yield counter("requests_passed_through", "Requests to paths that are not measured.", tally.passed_through)
    uncounted = int(tally.tokens()["uncounted_requests"])
    yield counter("requests_uncounted", "Answers without usage: their tokens are unknown.", uncounted)
    yield counter("client_retries", "Requests that a client's SDK sent again by itself.", tally.client_retries)
    retried = family(CounterMetricFamily, "upstream_retries", "Requests put to an engine a second time.", ("reason",))
    for reason, count in sorted(totals.retried.items()):
        retried.add_metric((reason,), count)
    yield retried
    refused = family(CounterMetricFamily, "refused", "Requests and connections turned away at the door.", ("reason",))
    for reason, count in sorted(totals.refused.items()):
        refused.add_metric((reason,), count)
    yield refused


def _histograms(tally: Tally) -> Iterator[Metric]:
    for metric, name, help_, bounds_s in _HISTOGRAMS:
        yield histogram(name, help_, tally.histograms[metric], bounds_s)


def _parts(totals: Totals) -> Iterator[Metric]:
    """Requests and tokens by upstream, model, client and tag, TTFT by upstream. Other times by these are in
    `/imax/stats`: 1,000 tags here would be 100,000 series."""
    dimensions = totals.dimensions
    by_tag: _Parts = [
        ((name, value), tally)
        for name, breakdown in dimensions.by_tag.items()
        for value, tally in breakdown.parts.items()
    ]
    by_upstream: _Parts = [((value,), tally) for value, tally in dimensions.by_upstream.parts.items()]
    by_model: _Parts = [((value,), tally) for value, tally in totals.models.parts().items()]
    by_client: _Parts = [((value,), tally) for value, tally in dimensions.by_client.parts.items()]
    for name, labels, parts in (
        ("upstream", ("upstream",), by_upstream),
        ("model", ("model",), by_model),
        ("client", ("client",), by_client),
        ("tag", ("tag", "value"), by_tag),
    ):
        if parts:
            yield _outcomes(f"{name}_requests", f"Measured requests that ended, by {name}.", parts, labels)
            yield _tokens(f"{name}_tokens", f"Tokens of measured requests, by {name}.", parts, labels)
    if by_upstream:
        yield _ttft_by_upstream(by_upstream)


def _ttft_by_upstream(parts: _Parts) -> Metric:
    made = Distributions("upstream_ttft", "Time to the first token, by upstream.", _WAITS_S, ("upstream",))
    for values, tally in parts:
        made.add(tally.histograms["ttft_ms"], values)
    return made


def _outcomes(name: str, help_: str, parts: _Parts, labels: tuple[str, ...]) -> Metric:
    made = family(CounterMetricFamily, name, help_, (*labels, "outcome"))
    for values, tally in parts:
        for outcome in Outcome:
            made.add_metric((*values, outcome.value), tally.outcomes[outcome])
    return made


def _tokens(name: str, help_: str, parts: _Parts, labels: tuple[str, ...]) -> Metric:
    """Kinds that nobody has counted are left out: unknown is not 0. Reasoning is part of output, cached of input."""
    made = family(CounterMetricFamily, name, help_, (*labels, "kind"))
    for values, tally in parts:
        counts = tally.tokens()
        for kind in ("input", "output", "reasoning", "cached"):
            if counts[kind] is not None:
                made.add_metric((*values, kind), counts[kind])
    return made
