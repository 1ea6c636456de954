"""The part of `/metrics` that tells of what stands beside the traffic: power, cost, and the engine's own view."""

from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from imaxproxy.proxy.families import counter, family, gauge

Json = dict[str, Any]
_ENGINE = (
    ("running", "engine_requests_running", "Requests that engines say they are working on."),
    ("waiting", "engine_requests_waiting", "Requests that engines say are waiting."),
    ("kv_usage", "engine_kv_usage_ratio", "Share of the KV cache in use, 0 to 1, the mean of the engines."),
    (
        "prefix_hit_share",
        "engine_prefix_hit_ratio",
        "Prompt tokens found in the prefix cache, 0 to 1, in 10 s.",
    ),
    (
        "accepted_per_step",
        "engine_tokens_per_step",
        "Tokens a step and stream, with speculation, in 10 s.",
    ),
)


def beside(blocks: Json) -> Iterator[Metric]:
    """`blocks`: `power`, `cost` and `engine_metrics` of the live snapshot, each None where it is not known."""
    yield from _power(blocks.get("power"))
    yield from _cost(blocks.get("cost"))
    yield from _engine(blocks.get("engine_metrics"))


def _power(block: Json | None) -> Iterator[Metric]:
    if block is None:
        return
    labels = ("boundary", "source")
    values = (block["boundary"], block["source"])
    if block["watts"] is not None:
        watts = family(GaugeMetricFamily, "power_watts", "Drawn now by all boards that are counted.", labels)
        watts.add_metric(values, block["watts"])
        yield watts
    energy = family(CounterMetricFamily, "energy_joules", "Drawn since the start by all counted boards.", labels)
    energy.add_metric(values, block["energy_j"])
    yield energy
    yield gauge("power_boards", "Boards whose power is counted.", block["boards"])
    yield gauge("power_age_seconds", "How old the newest reading of power is.", block["age_s"])


def _cost(block: Json | None) -> Iterator[Metric]:
    if block is not None:
        yield counter("cost_usd", "GPU-hours since the start at the price that `/imax/live` names.", block["usd"])


def _engine(block: Json | None) -> Iterator[Metric]:
    if block is None:
        return
    for key, name, help_ in _ENGINE:
        if block[key] is not None:
            yield gauge(name, help_, block[key])
    if block["preemptions"] is not None:
        yield counter("engine_preemptions", "Requests put back for want of KV cache.", block["preemptions"])
    yield gauge("engine_age_seconds", "How old the engines' own figures are.", block["age_s"])
