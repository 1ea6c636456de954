"""OpenTelemetry's GenAI metrics as OTLP/JSON: what a collector's file receiver reads, one `resourceMetrics` a run.

Names, units and bucket boundaries of the GenAI semantic conventions (2026). The `gen_ai.server.*` ones are meant to be
the server's own; here they are seen from outside, with the network in them.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imaxproxy import __version__
from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import Exchange, Outcome
from imaxproxy.metrics.formulas import tpot_ns, ttfe_ns, ttft_ns
from imaxproxy.runs.exports.facts import Facts
from imaxproxy.runs.manifest import write_json
from imaxproxy.runs.record import RunRecord

_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TTFT_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_TPOT_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_TOKENS = tuple(float(4**power) for power in range(14))
METRICS: dict[str, tuple[str, tuple[float, ...]]] = {
    "gen_ai.client.operation.duration": ("s", _S),
    "gen_ai.client.token.usage": ("{token}", _TOKENS),
    "gen_ai.client.operation.time_to_first_chunk": ("s", _S),
    "gen_ai.client.operation.time_per_output_chunk": ("s", _S),
    "gen_ai.server.request.duration": ("s", _S),
    "gen_ai.server.time_to_first_token": ("s", _TTFT_S),
    "gen_ai.server.time_per_output_token": ("s", _TPOT_S),
}
"""By name: its unit and the boundaries that the conventions ask for."""
_DELTA = 1
_OPERATIONS = {"chat": "chat", "responses": "chat", "messages": "chat", "completions": "text_completion"}

Labels = tuple[tuple[str, str], ...]


def write_otel(record: RunRecord, facts: Facts, path: Path) -> tuple[list[Path], list[str]]:
    """One JSON object."""
    found = _Histograms()
    first_ns, last_ns = None, 0
    for exchange in record.exchanges():
        found.add_exchange(exchange, facts)
        sent_ns = exchange.ask.begun_ns
        first_ns, last_ns = min(first_ns or sent_ns, sent_ns), max(last_ns, exchange.ended_ns)
    span = tuple(round(record.unix_s(at_ns) * NS_PER_S) for at_ns in (first_ns or 0, last_ns))
    resource: dict[str, str | bool] = {"service.name": "imaxproxy", "service.version": __version__}
    resource["imaxproxy.simulated"] = record.simulated
    whole = {
        "resource": {"attributes": [_attribute(name, value) for name, value in resource.items()]},
        "scopeMetrics": [{"scope": {"name": "imaxproxy", "version": __version__}, "metrics": found.metrics(*span)}],
    }
    write_json(path, {"resourceMetrics": [whole]})
    return [path], []


def values_of(exchange: Exchange, facts: Facts) -> Iterator[tuple[str, Labels, float]]:
    """What the conventions measure of one operation: name, attributes, value; latencies of tokens of successful ones
    only. The gaps between chunks are left out, of which there are many."""
    labels = labels_of(exchange, facts)
    durations: list[tuple[str, Labels, float | None]] = []
    sent_ns = exchange.ask.sent_ns
    if sent_ns is not None:
        failed = (("error.type", exchange.error),) if exchange.error is not None else ()
        for name in ("gen_ai.client.operation.duration", "gen_ai.server.request.duration"):
            durations.append((name, (*labels, *failed), exchange.ended_ns - sent_ns))
    for kind, count in (("input", exchange.usage.input_tokens), ("output", exchange.output_tokens)):
        if count is not None:
            yield "gen_ai.client.token.usage", (*labels, ("gen_ai.token.type", kind)), count
    if exchange.streamed:
        durations.append(("gen_ai.client.operation.time_to_first_chunk", labels, ttfe_ns(exchange)))
    if exchange.outcome is Outcome.COMPLETED:
        durations.append(("gen_ai.server.time_to_first_token", labels, ttft_ns(exchange)))
        durations.append(("gen_ai.server.time_per_output_token", labels, tpot_ns(exchange)))
    for name, attributes, duration_ns in durations:
        if duration_ns is not None:
            yield name, attributes, duration_ns / NS_PER_S


class _Histograms:
    """One a metric and set of labels."""

    def __init__(self) -> None:
        self._buckets: dict[str, dict[Labels, Counter[int]]] = {name: {} for name in METRICS}
        self._values: dict[str, dict[Labels, list[float]]] = {name: {} for name in METRICS}

    def add_exchange(self, exchange: Exchange, facts: Facts) -> None:
        for name, labels, value in values_of(exchange, facts):
            self._record(name, labels, value)
        if exchange.streamed:
            for gap_us in exchange.timeline.gaps_us():
                self._record("gen_ai.client.operation.time_per_output_chunk", labels_of(exchange, facts), gap_us / 1e6)

    def metrics(self, start_unix_ns: int, end_unix_ns: int) -> list[dict[str, Any]]:
        """Those that have values."""
        return [
            {
                "name": name,
                "unit": unit,
                "histogram": {
                    "aggregationTemporality": _DELTA,
                    "dataPoints": [
                        self._point(name, labels, start_unix_ns, end_unix_ns) for labels in self._buckets[name]
                    ],
                },
            }
            for name, (unit, _) in METRICS.items()
            if self._buckets[name]
        ]

    def _record(self, name: str, labels: Labels, value: float) -> None:
        buckets = self._buckets[name].setdefault(labels, Counter())
        buckets[bisect_left(METRICS[name][1], value)] += 1  # a bucket holds its upper bound
        total = self._values[name].setdefault(labels, [0.0, value, value])
        total[0] += value
        total[1], total[2] = min(total[1], value), max(total[2], value)

    def _point(self, name: str, labels: Labels, start_unix_ns: int, end_unix_ns: int) -> dict[str, Any]:
        buckets, (total, least, most) = self._buckets[name][labels], self._values[name][labels]
        bounds = METRICS[name][1]
        return {
            "attributes": [_attribute(key, value) for key, value in labels],
            "startTimeUnixNano": str(start_unix_ns),
            "timeUnixNano": str(end_unix_ns),
            "count": str(buckets.total()),
            "sum": total,
            "min": least,
            "max": most,
            "explicitBounds": list(bounds),
            "bucketCounts": [str(buckets[number]) for number in range(len(bounds) + 1)],
        }


def labels_of(exchange: Exchange, facts: Facts) -> Labels:
    """The provider is the engine where it is known, else the API that is spoken."""
    dialect = exchange.ask.dialect or "chat"
    labels = [
        ("gen_ai.operation.name", _OPERATIONS.get(dialect, dialect)),
        ("gen_ai.provider.name", facts.framework or ("anthropic" if dialect == "messages" else "openai")),
    ]
    if facts.model is not None:
        labels.append(("gen_ai.request.model", facts.model))
    if exchange.model is not None:
        labels.append(("gen_ai.response.model", exchange.model))
    return tuple(labels)


def _attribute(key: str, value: str | bool) -> dict[str, Any]:
    return {"key": key, "value": {"boolValue": value} if isinstance(value, bool) else {"stringValue": value}}
