"""One `imaxproxy.live/1` snapshot, made of what a run has come to and of what its last seconds saw."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.live.feed.ticks import WINDOW_S, Recent
from imaxproxy.metrics import (
    Dimensions,
    Histogram,
    LivePart,
    LogBuckets,
    MeterHealth,
    Slowest,
    Tally,
    few_buckets,
    per_second,
)

SCHEMA = "imaxproxy.live/1"
_MICRO = 1e6
_RUN_METRICS = ("ttft_ms", "itl_ms", "tps_per_user", "e2e_ms")
_LOW_TAILS = frozenset({"tps_per_user"})
"""Of which little is bad: p10 and p1 are told as well."""
_PART_BLOCKS = ("ttft_ms", "tps_per_user")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunFigures:
    """What is known of the run when a snapshot is made."""

    source: str
    """serve, replay, search or sweep."""
    title: str
    started_ns: int
    at_ns: int
    """Now."""
    tally: Tally
    dimensions: Dimensions
    by_model: Mapping[str, Tally]
    health: MeterHealth
    slowest: Slowest
    simulated: bool
    tokens_an_event: float
    tokens_by: str
    """How tokens of streams in flight are known that do not tell them: `usage` or `events` (docs/live.md)."""
    refused: Mapping[str, int] = field(default_factory=dict)
    upstreams: Mapping[str, Json] = field(default_factory=dict)
    """By name: `url`, `up`."""
    offered_rate: float | None = None
    achieved_rate: float | None = None
    remaining_s: float | None = None
    slo: Json | None = None
    progress: Json | None = None
    lost_lines: int = 0
    nodes: list[Json] | None = None
    """`nodes`, of a run on a cluster."""
    reasons: Sequence[str] = ()
    """Why the meter is not to be believed, beside what its own health says."""


def snapshot(run: RunFigures, part: LivePart, recent: Recent, history: Json, beside: Json) -> Json:
    """The whole object. part: what is so now.  beside: `power`, `cost` and `engine_metrics`."""
    elapsed_s = (run.at_ns - run.started_ns) / NS_PER_S
    return {
        "schema": SCHEMA,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "elapsed_s": elapsed_s,
        "remaining_s": run.remaining_s,
        "source": run.source,
        "title": run.title,
        "simulated": run.simulated,
        "window_s": WINDOW_S,
        "now": _now(run, part, recent),
        "run": _run(run, elapsed_s),
        "history": history,
        "in_flight": _in_flight(run, part),
        "slowest": [_slow(run, each) for each in run.slowest.rows()],
        "by": _by(run, part, recent),
        "errors": dict(sorted(run.tally.errors.items())) | {f"refused: {why}": n for why, n in run.refused.items()},
        "power": None,
        "cost": None,
        "engine_metrics": None,
        **beside,
        "slo": run.slo,
        "meter": _meter(run) | {"view_cpu_share": _view_cpu_share(recent, part.processes)},
        "progress": run.progress,
        "nodes": run.nodes,
    }


def _now(run: RunFigures, part: LivePart, recent: Recent) -> Json:
    rates, window = recent.rates(run.tokens_an_event), recent.whole
    itl_ns, tps_micro = _itl(window, run.tokens_an_event), LogBuckets(window.tps_micro.counts, window.tps_micro.sum)
    tps_micro.merge(part.tps_now_micro)
    return {
        "requests_per_s": rates.requests_per_s,
        "output_tokens_per_s": rates.output_tokens_per_s,
        "total_tokens_per_s": rates.total_tokens_per_s,
        "events_per_s": rates.events_per_s,
        "tokens_by": "told" if not window.events and window.tokens else run.tokens_by,
        "seconds": recent.seconds,
        "ttft_ms": window.ttft_ns.block(NS_PER_MS),
        "itl_ms": itl_ns,
        "tps_per_user": tps_micro.block(_MICRO, low_tail=True),
        "e2e_ms": window.e2e_ns.block(NS_PER_MS),
        "errors": window.failed,
    }


def _itl(window: LivePart, tokens_an_event: float) -> Json:
    """Of told tokens and of events; where there are both, events count as if each had one token."""
    if not window.itl_ns.total:
        return window.gap_ns.block(NS_PER_MS, tokens_an_event)
    both = LogBuckets(window.itl_ns.counts, window.itl_ns.sum)
    both.merge(window.gap_ns)
    return both.block(NS_PER_MS)


def _run(run: RunFigures, elapsed_s: float) -> Json:
    tally = run.tally
    requests = tally.requests()
    names = ("sent", "completed", "failed", "aborted", "truncated", "by_error")
    return {
        "requests": {name: requests[name] for name in names},
        "tokens": tally.tokens(),
        "requests_per_s": per_second(requests["completed"], elapsed_s),
        "output_tokens_per_s": per_second(tally.output_tokens, elapsed_s),
        "total_tokens_per_s": per_second(
            None if tally.output_tokens is None else tally.output_tokens + (tally.input_tokens or 0), elapsed_s
        ),
        **{name: _whole(name, tally.histograms[name]) for name in _RUN_METRICS},
    }


def _whole(name: str, histogram: Histogram) -> Json:
    block = block_of(name, histogram)
    block["buckets"] = few_buckets((value / Histogram.UNIT, count) for value, count in histogram.edges())
    return block


def block_of(name: str, histogram: Histogram) -> Json:
    ranks = {"p1": 1.0, "p10": 10.0, "p50": 50.0, "p90": 90.0, "p99": 99.0}
    if name not in _LOW_TAILS:
        del ranks["p1"], ranks["p10"]
    total = histogram.total
    values = histogram.values_at(ranks.values())
    found: Json = {
        name: None if value is None else value / Histogram.UNIT for name, value in zip(ranks, values, strict=True)
    }
    mean = histogram.weighted_sum / total / Histogram.UNIT if total else None
    return {"count": total, **found, "mean": mean}


def _in_flight(run: RunFigures, part: LivePart) -> Json:
    return {
        "count": part.in_flight,
        "waiting": part.waiting,
        "streams": [_estimated(row, run.tokens_an_event) for row in part.streams],
        "left_off": part.in_flight - len(part.streams),
    }


def _estimated(row: Json, tokens_an_event: float) -> Json:
    """A stream whose tokens are not told has as many as its events usually hold."""
    row = dict(row)
    if not row.pop("told"):
        row["tokens"] = round(row["tokens"] * tokens_an_event)
        row["tps"] = None if row["tps"] is None else row["tps"] * tokens_an_event
    return row


def _slow(run: RunFigures, row: Json) -> Json:
    names = ("id", "model", "upstream", "ttft_ms", "e2e_ms", "tps")
    return {name: row[name] for name in names} | {"at_s": (row["ended_ns"] - run.started_ns) / NS_PER_S}


def _by(run: RunFigures, part: LivePart, recent: Recent) -> Json:
    dimensions = run.dimensions
    names = {each["url"]: name for name, each in run.upstreams.items()}
    by_upstream = {names.get(url, url): tally for url, tally in dimensions.by_upstream.parts.items()}
    if not by_upstream and len(run.upstreams) == 1:
        by_upstream = {next(iter(run.upstreams)): run.tally}
    by_tag = {
        f"{name}={value}": tally
        for name, breakdown in dimensions.by_tag.items()
        for value, tally in breakdown.parts.items()
    }
    tallies: dict[str, Mapping[str, Tally]] = {
        "upstream": by_upstream,
        "model": run.by_model,
        "client": dimensions.by_client.parts,
        "tag": by_tag,
    }
    found: Json = {}
    for dimension, parts in tallies.items():
        values: Iterable[str] = dict.fromkeys([*parts, *part.by[dimension], *recent.whole.by[dimension]])
        if dimension == "upstream":
            values = dict.fromkeys([*run.upstreams, *values])
        found[dimension] = {value: _group(run, dimension, value, parts.get(value), part, recent) for value in values}
    return found


def _group(run: RunFigures, dimension: str, value: str, tally: Tally | None, part: LivePart, recent: Recent) -> Json:
    def tokens(counts: LivePart) -> float:
        seen = counts.by[dimension].get(value)
        return 0.0 if seen is None else seen.events * run.tokens_an_event + seen.tokens

    now = part.by[dimension].get(value)
    group: Json = {
        "in_flight": now.in_flight if now is not None else 0,
        "requests": tally.sent if tally is not None else 0,
        "errors": tally.errors.total() if tally is not None else 0,
        "output_tokens_per_s": recent.per_second(tokens),
        "ttft_ms": None if tally is None else block_of("ttft_ms", tally.histograms["ttft_ms"]),
        "tps_per_user": None,
    }
    if tally is not None and "tps_per_user" in tally.histograms:
        group["tps_per_user"] = block_of("tps_per_user", tally.histograms["tps_per_user"])
    if dimension == "upstream":
        group["up"] = run.upstreams[value]["up"] if value in run.upstreams else None
    return group


def _view_cpu_share(recent: Recent, processes: int) -> float | None:
    """CPU seconds a second that being watched costs one data process."""
    cpu_ns = recent.per_second(lambda counts: counts.cpu_ns)
    return None if cpu_ns is None or not processes else cpu_ns / NS_PER_S / processes


def _meter(run: RunFigures) -> Json:
    tally, health = run.tally, run.health
    itl_p99 = tally.histograms["itl_ms"].value_at(99.0)
    verdict = health.verdict(
        itl_p99_ms=None if itl_p99 is None else itl_p99 / Histogram.UNIT,
        coalesced_event_share=tally.coalesced_event_share(),
        offered_rate=run.offered_rate,
        achieved_rate=run.achieved_rate,
    )
    verdict["loop_lag_ms"] = block_of("loop_lag_ms", health.lag)
    verdict["read_lag_ms"] = block_of("read_lag_ms", health.read_lag)
    verdict["send_lag_ms"] = block_of("send_lag_ms", tally.histograms["send_lag_ms"])
    verdict["lost_lines"] = run.lost_lines
    verdict["reasons"] += run.reasons
    verdict["valid"] = not verdict["reasons"]
    return verdict
