"""What one process saw between two looks, and what is so at the second. Mergeable: of many processes it is the sum."""

from collections import Counter
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics.dimensions import MOST_VALUES, OTHER
from imaxproxy.metrics.log_buckets import LogBuckets

MOST_STREAMS = 50
"""Told one by one: the slowest."""
TICK_NS = NS_PER_S
"""Between two looks, unless one costs more than 0.8 % of that."""
_PAUSES = 125
_MOST_PAUSE_NS = 10 * NS_PER_S
DIMENSIONS = ("upstream", "model", "client", "tag")
_BUCKETS = ("gap_ns", "itl_ns", "ttft_ns", "e2e_ns", "tps_micro", "tps_now_micro")
_COUNTS = (
    "cpu_ns",
    "processes",
    "events",
    "told_events",
    "tokens",
    "input_tokens",
    "started",
    "ended",
    "failed",
    "in_flight",
    "waiting",
    "open_events",
    "open_tokens",
)

_GAUGES = ("processes", "in_flight", "waiting", "open_events", "open_tokens")
"""Of these counts: what is so now."""


@dataclass(slots=True)
class Traffic:
    """Of one upstream, model, client or tag."""

    in_flight: int = 0
    events: int = 0
    """As in LivePart."""
    tokens: int = 0

    def merge(self, other: "Traffic") -> None:
        self.in_flight += other.in_flight
        self.events += other.events
        self.tokens += other.tokens


@dataclass(slots=True)
class LivePart:
    """Counts are of what came since the last look, unless they say otherwise."""

    at_ns: int = 0
    since_ns: int = 0
    """When the last one was taken; of the first: `at_ns`."""
    cpu_ns: int = 0
    """CPU time that being watched has cost the data processes."""
    processes: int = 0
    dearest_ns: int = 0
    """`cpu_ns` of the process that it has cost most."""
    events: int = 0
    """Token events of streams whose engine does not tell the tokens of each."""
    told_events: int = 0
    """The others."""
    tokens: int = 0
    """Output tokens that an engine told event by event, or with an answer that was not streamed."""
    input_tokens: int = 0
    """Of the requests that ended, where the engine told them."""
    started: int = 0
    ended: int = 0
    failed: int = 0
    """Of those that ended: not completed."""
    gap_ns: LogBuckets = field(default_factory=LogBuckets)
    """Before each of `events`."""
    itl_ns: LogBuckets = field(default_factory=LogBuckets)
    """Inter-token latency of told tokens."""
    ttft_ns: LogBuckets = field(default_factory=LogBuckets)
    e2e_ns: LogBuckets = field(default_factory=LogBuckets)
    tps_micro: LogBuckets = field(default_factory=LogBuckets)
    """Tokens/s per user of those that ended, in millionths."""
    tps_now_micro: LogBuckets = field(default_factory=LogBuckets)
    """The same of those in flight now, since their first token; events where tokens are not told."""
    in_flight: int = 0
    """Now."""
    waiting: int = 0
    """Now, without a token so far."""
    open_events: int = 0
    """Of those in flight now that do not tell their tokens, since each began."""
    open_tokens: int = 0
    """Of the others."""
    streams: list[dict[str, Any]] = field(default_factory=list)
    """The slowest in flight now, the slowest first: as `imaxproxy.live/1` has them, and `told`."""
    by: dict[str, dict[str, Traffic]] = field(default_factory=lambda: {name: {} for name in DIMENSIONS})
    errors: Counter[str] = field(default_factory=Counter)

    def traffic(self, dimension: str, value: str) -> Traffic:
        """The place for one value; those that come after the most that are told apart share one."""
        parts = self.by[dimension]
        if value not in parts:
            if len(parts) >= MOST_VALUES:
                value = OTHER
            return parts.setdefault(value, Traffic())
        return parts[value]

    @property
    def events_seen(self) -> int:
        return self.events + self.told_events

    def merge_counts(self, other: "LivePart") -> None:
        """All but what is so now: for two times of one process."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _BUCKETS:
            getattr(self, name).merge(getattr(other, name))
        for dimension, parts in other.by.items():
            for value, traffic in parts.items():
                self.traffic(dimension, value).merge(traffic)
        self.errors.update(other.errors)

    def merge(self, other: "LivePart") -> None:
        """For two processes at one time."""
        self.since_ns = min(self.since_ns, other.since_ns) if self.at_ns else other.since_ns
        self.at_ns = max(self.at_ns, other.at_ns)
        self.dearest_ns = max(self.dearest_ns, other.dearest_ns)
        self.merge_counts(other)
        self.streams = slowest([*self.streams, *other.streams])

    def gauges(self) -> "LivePart":
        """What is so now, without what was counted."""
        now = LivePart(streams=self.streams, **{name: getattr(self, name) for name in _GAUGES})
        now.tps_now_micro.merge(self.tps_now_micro)
        now.by = {
            name: {value: Traffic(each.in_flight) for value, each in parts.items() if each.in_flight}
            for name, parts in self.by.items()
        }
        return now

    def after(self, earlier: "LivePart") -> "LivePart":
        """What this and an earlier one of the same process come to, and what is so now by this."""
        both = self.gauges()
        both.at_ns, both.since_ns = self.at_ns, earlier.since_ns
        both.dearest_ns = self.dearest_ns + earlier.dearest_ns
        for counted in (earlier.counts(), self.counts()):
            both.merge_counts(counted)
        return both

    def counts(self) -> "LivePart":
        """What was counted, without what is so now."""
        part = LivePart(self.at_ns, self.since_ns, dearest_ns=self.dearest_ns)
        part.merge_counts(self)
        for name in _GAUGES:
            setattr(part, name, 0)
        part.tps_now_micro = LogBuckets()
        for parts in part.by.values():
            for traffic in parts.values():
                traffic.in_flight = 0
        return part

    def as_row(self) -> dict[str, Any]:
        """For JSON."""
        row: dict[str, Any] = {
            name: getattr(self, name) for name in ("at_ns", "since_ns", "dearest_ns", *_COUNTS, "streams", "errors")
        }
        row |= {name: getattr(self, name).as_row() for name in _BUCKETS}
        row["by"] = {
            name: {value: [each.in_flight, each.events, each.tokens] for value, each in parts.items()}
            for name, parts in self.by.items()
        }
        return row

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "LivePart":
        part = cls(**{name: row[name] for name in ("at_ns", "since_ns", "dearest_ns", *_COUNTS, "streams")})
        for name in _BUCKETS:
            setattr(part, name, LogBuckets.from_row(row[name]))
        part.errors = Counter(row["errors"])
        part.by = {
            name: {value: Traffic(*counts) for value, counts in parts.items()} for name, parts in row["by"].items()
        }
        return part


def pause_ns(cpu_ns: int) -> int:
    """How long to wait behind a look that has cost so much: it is to cost a data process no more than 0.8 %."""
    return min(max(TICK_NS, _PAUSES * cpu_ns), _MOST_PAUSE_NS)


def slowest(streams: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that have kept their user waiting for longest, then those with the fewest tokens/s."""
    return nsmallest(MOST_STREAMS, streams, key=lambda row: slowness(row["idle_s"], row["tps"]))


def slowness(idle_s: float, tps: float | None) -> tuple[int, float]:
    """What the slowest has least of. Waits are told apart by tenths of a second: streams in step are as slow."""
    return -int(10 * idle_s + 0.5), tps or 0.0
