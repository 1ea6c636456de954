"""One live snapshot (`imaxproxy.live/1`) as its viewers hold it: parsed once, every field there, unknown is None."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.errors import ImaxproxyError

SCHEMA = "imaxproxy.live/1"
METRICS: tuple[tuple[str, str, str], ...] = (
    ("ttft_ms", "TTFT", "ms"),
    ("itl_ms", "ITL", "ms"),
    ("tps_per_user", "TPS/user", "tok/s"),
    ("e2e_ms", "E2E", "ms"),
)
"""Field, name and unit of each distribution, in the order in which people ask for them."""
GROUPS: tuple[str, ...] = ("upstream", "model", "client", "tag")
Buckets = tuple[tuple[float, int], ...]
"""Upper edge and count of each bucket, rising; edges come from one grid for the whole run."""


class SnapshotError(ImaxproxyError):
    """What came is no snapshot that this version reads."""


@dataclass(frozen=True, slots=True)
class Block:
    """A distribution's figures, in the unit of its name. p10 and p1 are a rate's slow tail."""

    count: int = 0
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    mean: float | None = None
    p10: float | None = None
    p1: float | None = None
    buckets: Buckets = ()

    @classmethod
    def of(cls, row: Mapping[str, Any] | None) -> "Block":
        row = row or {}
        return cls(
            count=int(row.get("count") or 0),
            p50=_number(row.get("p50")),
            p90=_number(row.get("p90")),
            p99=_number(row.get("p99")),
            mean=_number(row.get("mean")),
            p10=_number(row.get("p10")),
            p1=_number(row.get("p1")),
            buckets=tuple((float(upper), int(count)) for upper, count in row.get("buckets") or ()),
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """What a span of time came to: the last seconds (`now`), the whole run, or a frozen window."""

    requests_per_s: float | None = None
    output_tokens_per_s: float | None = None
    total_tokens_per_s: float | None = None
    events_per_s: float | None = None
    blocks: Mapping[str, Block] = field(default_factory=dict)
    """By the field's name in METRICS."""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Figures":
        return cls(
            requests_per_s=_number(row.get("requests_per_s")),
            output_tokens_per_s=_number(row.get("output_tokens_per_s")),
            total_tokens_per_s=_number(row.get("total_tokens_per_s")),
            events_per_s=_number(row.get("events_per_s")),
            blocks={name: Block.of(row.get(name)) for name, _, _ in METRICS},
        )

    def block(self, name: str) -> Block:
        return self.blocks.get(name) or Block()


@dataclass(frozen=True, slots=True)
class Stream:
    """A request under way."""

    id: str
    model: str
    upstream: str
    client: str
    tag: str
    age_s: float
    ttft_ms: float | None
    tokens: int | None
    tps: float | None
    idle_s: float | None
    state: str
    """waiting (no token yet) or streaming."""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Stream":
        return cls(
            id=printable(row.get("id")),
            model=printable(row.get("model")),
            upstream=_bare(row.get("upstream")),
            client=printable(row.get("client")),
            tag=printable(row.get("tag")),
            age_s=float(row.get("age_s") or 0.0),
            ttft_ms=_number(row.get("ttft_ms")),
            tokens=None if row.get("tokens") is None else int(row["tokens"]),
            tps=_number(row.get("tps")),
            idle_s=_number(row.get("idle_s")),
            state=printable(row.get("state")) or "waiting",
        )


@dataclass(frozen=True, slots=True)
class Finished:
    """One of the slowest requests that ended."""

    id: str
    model: str
    upstream: str
    ttft_ms: float | None
    e2e_ms: float | None
    tps: float | None
    at_s: float | None
    """When it ended, from the run's start."""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Finished":
        return cls(
            id=printable(row.get("id")),
            model=printable(row.get("model")),
            upstream=_bare(row.get("upstream")),
            ttft_ms=_number(row.get("ttft_ms")),
            e2e_ms=_number(row.get("e2e_ms")),
            tps=_number(row.get("tps")),
            at_s=_number(row.get("at_s")),
        )


@dataclass(frozen=True, slots=True)
class Group:
    """The requests of one upstream, model, client or tag."""

    name: str
    in_flight: int
    requests: int
    errors: int
    output_tokens_per_s: float | None
    ttft_ms: Block
    tps_per_user: Block
    up: bool | None
    """Of an upstream: whether it answers. None where that is no question."""

    @classmethod
    def of(cls, name: str, row: Mapping[str, Any]) -> "Group":
        return cls(
            name=name,
            in_flight=int(row.get("in_flight") or 0),
            requests=int(row.get("requests") or 0),
            errors=int(row.get("errors") or 0),
            output_tokens_per_s=_number(row.get("output_tokens_per_s")),
            ttft_ms=Block.of(row.get("ttft_ms")),
            tps_per_user=Block.of(row.get("tps_per_user")),
            up=None if row.get("up") is None else bool(row["up"]),
        )


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a run on a cluster."""

    name: str
    state: str
    """playing, silent, done or lost."""
    why: str
    """It, or some of its workers, are lost; empty where nothing is."""
    slow: str
    """What is far above the other nodes'; empty where nothing is."""
    age_s: float | None
    """Since what stands here was seen."""
    workers: int
    in_flight: int
    requests: int
    errors: int
    output_tokens_per_s: float | None
    ttft_now_ms: Block
    """Of the last seconds."""
    ttft_ms: Block
    send_lag_ms: Block
    loop_lag_ms: Block

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Node":
        return cls(
            name=printable(row.get("name")),
            state=printable(row.get("state")),
            why=printable(row.get("why")),
            slow=printable(row.get("slow")),
            age_s=_number(row.get("age_s")),
            workers=int(row.get("workers") or 0),
            in_flight=int(row.get("in_flight") or 0),
            requests=int(row.get("requests") or 0),
            errors=int(row.get("errors") or 0),
            output_tokens_per_s=_number(row.get("output_tokens_per_s")),
            ttft_now_ms=Block.of(row.get("ttft_now_ms")),
            ttft_ms=Block.of(row.get("ttft_ms")),
            send_lag_ms=Block.of(row.get("send_lag_ms")),
            loop_lag_ms=Block.of(row.get("loop_lag_ms")),
        )


@dataclass(frozen=True, slots=True)
class History:
    """A value each `step_s`, newest last; None where it was not known."""

    step_s: float = 1.0
    series: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Mapping[str, Any] | None) -> "History":
        row = row or {}
        names = ("output_tokens_per_s", "requests_per_s", "in_flight", "power_w")
        return cls(
            float(row.get("step_s") or 1.0),
            {name: tuple(_number(value) for value in row.get(name) or ()) for name in names},
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a viewer shows at one moment."""

    source: str
    title: str
    simulated: bool
    elapsed_s: float
    remaining_s: float | None
    window_s: float
    now: Figures
    run: Figures
    requests: Mapping[str, int]
    """sent, completed, failed, aborted, truncated."""
    tokens: Mapping[str, int | None]
    history: History
    in_flight: int
    waiting: int
    streams: tuple[Stream, ...]
    left_off: int
    """Streams under way that are not among `streams`."""
    slowest: tuple[Finished, ...]
    by: Mapping[str, tuple[Group, ...]]
    errors: Mapping[str, int]
    power: Mapping[str, Any] | None
    cost: Mapping[str, Any] | None
    slo: Mapping[str, Any] | None
    engine: Mapping[str, Any] | None
    meter: Mapping[str, Any]
    progress: Mapping[str, Any] | None
    nodes: tuple[Node, ...]
    """Of a cluster; empty where one machine plays."""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Snapshot":
        """Raises SnapshotError for another schema, or for what has not the schema's shape."""
        if not isinstance(row, Mapping) or row.get("schema") != SCHEMA:
            found = row.get("schema") if isinstance(row, Mapping) else type(row).__name__
            raise SnapshotError(f"the live feed is {found!r}, not {SCHEMA!r}: is it another imaxproxy's version?")
        try:
            return cls(**_fields(row))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"the live feed's snapshot is broken: {type(error).__name__}: {error}") from error


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    run, flight = row.get("run") or {}, row.get("in_flight") or {}
    requests = run.get("requests") or {}
    return {
        "source": printable(row.get("source")),
        "title": printable(row.get("title")),
        "simulated": bool(row.get("simulated")),
        "elapsed_s": float(row.get("elapsed_s") or 0.0),
        "remaining_s": _number(row.get("remaining_s")),
        "window_s": float(row.get("window_s") or 10.0),
        "now": Figures.of(row.get("now") or {}),
        "run": Figures.of(run),
        "requests": {
            name: int(requests.get(name) or 0) for name in ("sent", "completed", "failed", "aborted", "truncated")
        },
        "tokens": dict(run.get("tokens") or {}),
        "history": History.of(row.get("history")),
        "in_flight": int(flight.get("count") or 0),
        "waiting": int(flight.get("waiting") or 0),
        "streams": tuple(Stream.of(each) for each in flight.get("streams") or ()),
        "left_off": int(flight.get("left_off") or 0),
        "slowest": tuple(Finished.of(each) for each in row.get("slowest") or ()),
        "by": {kind: _groups((row.get("by") or {}).get(kind)) for kind in GROUPS},
        "errors": {printable(kind): int(count) for kind, count in (row.get("errors") or {}).items()},
        "power": row.get("power"),
        "cost": row.get("cost"),
        "slo": row.get("slo"),
        "engine": row.get("engine_metrics"),
        "meter": dict(row.get("meter") or {}),
        "progress": row.get("progress"),
        "nodes": tuple(Node.of(each) for each in row.get("nodes") or ()),
    }


def _groups(rows: Mapping[str, Any] | None) -> tuple[Group, ...]:
    groups = [Group.of(_bare(name), row) for name, row in (rows or {}).items()]
    return tuple(sorted(groups, key=lambda group: (-group.in_flight, -group.requests, group.name)))


def _bare(url: object) -> str:
    """An upstream without its scheme: everybody's begins with it."""
    return printable(url).removeprefix("http://").removeprefix("https://")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def printable(value: object) -> str:
    """One line of printable text: names come from the network, and a terminal obeys control characters."""
    text = "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return "".join(letter if letter.isprintable() else "�" for letter in text)
