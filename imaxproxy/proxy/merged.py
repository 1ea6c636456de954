"""The figures of a proxy, as one process has them or as many have them together."""

from dataclasses import dataclass, field
from typing import Any

from imaxproxy.metrics import Totals
from imaxproxy.proxy.upstream_state import UpstreamState
from imaxproxy.wire import hot_path


@dataclass(slots=True)
class Gauges:
    """What is so at this moment. Mergeable: of many processes it is the sum."""

    in_flight: int = 0
    """Requests."""
    connections: int = 0
    """Open ones, of clients."""
    upstreams: dict[str, UpstreamState] = field(default_factory=dict)
    """By name."""

    def merge(self, other: "Gauges") -> None:
        self.in_flight += other.in_flight
        self.connections += other.connections
        for name, state in other.upstreams.items():
            if name not in self.upstreams:
                self.upstreams[name] = UpstreamState(name, state.url, 0, 0)
            self.upstreams[name].merge(state)


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One process of the proxy, as a reader of the figures may want to know it."""

    number: int
    pid: int
    state: str
    """starting, serving or leaving."""
    fresh: bool
    """False: it did not answer in time, and its part is what it last said, `age_s` ago."""
    age_s: float


@dataclass(frozen=True, slots=True)
class Merged:
    """The whole proxy at one moment."""

    totals: Totals
    gauges: Gauges
    lost_lines: int
    workers: list[WorkerState] = field(default_factory=list)
    """Empty where one process does it all."""
    restarts: int = 0
    """Workers that died and were replaced."""
    beside: dict[str, Any] = field(default_factory=dict)
    """`power`, `cost` and `engine_metrics` of the live snapshot, where a page wants them."""


def stats(merged: Merged, engine: dict[str, Any] | None) -> dict[str, Any]:
    """`/imax/stats`: the parts of summary.json, live, and what only a running proxy has."""
    totals, tally = merged.totals, merged.totals.tally
    return {
        "schema": "imaxproxy.stats/1",
        "simulated": is_simulated(merged, engine),
        "engine": engine,
        "hot_path": hot_path(),
        "in_flight": merged.gauges.in_flight,
        "connections": merged.gauges.connections,
        "upstreams": [state.as_dict() for state in merged.gauges.upstreams.values()],
        "requests": tally.requests(),
        "refused": dict(sorted(totals.refused.items())),
        "retried": dict(sorted(totals.retried.items())),
        "tokens": tally.tokens(),
        **tally.stats(),
        **totals.dimensions.as_dict(),
        "meter": {
            "cpu_share": totals.health.cpu_share,
            "loop_lag_ms": totals.health.lag.stats(),
            "coalesced_event_share": tally.coalesced_event_share(),
            "lost_lines": merged.lost_lines,
        },
        "workers": [
            {"worker": each.number, "pid": each.pid, "state": each.state, "fresh": each.fresh, "age_s": each.age_s}
            for each in merged.workers
        ],
        "worker_restarts": merged.restarts,
    }


def is_simulated(merged: Merged, engine: dict[str, Any] | None) -> bool:
    return bool(merged.totals.tally.simulated or (engine or {}).get("simulated"))
