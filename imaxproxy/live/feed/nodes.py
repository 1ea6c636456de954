"""The nodes of a run on a cluster, as a live view tells them apart: what each says a second, and which one is slow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.live.feed.snapshot import block_of
from imaxproxy.live.feed.ticks import SILENT_S, Rates, Recent, Span
from imaxproxy.metrics import LivePart, Objective, Totals
from imaxproxy.runs.share_view import LEAST_REQUESTS, slow_ones

Json = dict[str, Any]
PLAYING, SILENT, DONE, LOST = "playing", "silent", "done", "lost"


@dataclass(slots=True)
class Look:
    """What one machine's workers and journals have come to since the last look. It travels, so it is small."""

    part: LivePart
    """Its `at_ns` is 0 where no worker answered in time."""
    totals: Totals

    def move(self, by_ns: int) -> "Look":
        """Its times to another clock."""
        if self.part.at_ns:
            self.part.at_ns += by_ns
            self.part.since_ns += by_ns
        self.totals.slowest.move(by_ns)
        return self


@dataclass(slots=True)
class NodeSeen:
    """One node, as far as it is known to whoever watches."""

    name: str
    workers: tuple[int, ...]
    totals: Totals
    """All that has ended there, as far as it has said."""
    state: str = PLAYING
    """PLAYING, DONE or LOST."""
    why: str | None = None
    """It is lost, or some of its workers are."""
    engine: str | None = None
    """Whom it asks, where nodes ask different ones."""
    clock_error_ms: float | None = None
    """Its times may be off by so much."""

    @property
    def is_lost(self) -> bool:
        return self.state == LOST


@dataclass(slots=True)
class NodesSeen:
    """All of them. What they said adds up exactly: counts and histograms are merged, percentiles never averaged."""

    objectives: tuple[Objective, ...]
    keeps_lost: bool
    """The run keeps what a lost node had journalled."""
    nodes: dict[str, NodeSeen] = field(default_factory=dict)
    totals: Totals = field(init=False)
    """Of all whose journals the run will have."""

    def __post_init__(self) -> None:
        self.totals = Totals(self.objectives)

    def add(self, name: str, workers: Sequence[int]) -> NodeSeen:
        self.nodes[name] = node = NodeSeen(name, tuple(workers), Totals(self.objectives))
        return node

    def take(self, name: str, look: Look) -> LivePart | None:
        """Count what it came to; its part, where a worker answered in time."""
        self.nodes[name].totals.merge(look.totals)
        self.totals.merge(look.totals)
        return look.part if look.part.at_ns else None

    def lose(self, name: str, why: str) -> None:
        """Nobody hears of it any more, and what it alone had does not count."""
        node = self.nodes[name]
        if node.is_lost:
            return
        node.state, node.why = LOST, why
        if self.keeps_lost:
            return
        self.totals = Totals(self.objectives)
        for other in self.nodes.values():
            if not other.is_lost:
                self.totals.merge(other.totals)


def node_rows(
    nodes: Sequence[NodeSeen],
    newest: Mapping[str, LivePart],
    recent: Recent,
    now_ns: int,
    tokens_an_event: float,
) -> list[Json]:
    """`nodes` of a snapshot. newest: what each has last said."""
    slow = _slow(nodes, recent)
    return [
        _row(node, newest.get(node.name), recent.spans.get(node.name, Span()), now_ns, tokens_an_event)
        | {"slow": slow.get(index)}
        for index, node in enumerate(nodes)
    ]


def _row(node: NodeSeen, part: LivePart | None, span: Span, now_ns: int, tokens_an_event: float) -> Json:
    tally, lag = node.totals.tally, node.totals.health.lag
    age_s = None if part is None or node.is_lost else max(now_ns - part.at_ns, 0) / NS_PER_S
    is_silent = node.state == PLAYING and age_s is not None and age_s > SILENT_S
    return {
        "name": node.name,
        "state": SILENT if is_silent else node.state,
        "why": node.why,
        "age_s": age_s,
        "workers": len(node.workers),
        "engine": node.engine,
        "in_flight": part.in_flight if part is not None else 0,
        "requests": tally.sent,
        "errors": tally.errors.total(),
        "output_tokens_per_s": Rates.of(span.counts, tokens_an_event, span.seconds).output_tokens_per_s,
        "ttft_now_ms": span.counts.ttft_ns.block(NS_PER_MS),
        "ttft_ms": block_of("ttft_ms", tally.histograms["ttft_ms"]),
        "send_lag_ms": block_of("send_lag_ms", tally.histograms["send_lag_ms"]),
        "loop_lag_ms": block_of("loop_lag_ms", lag),
        "clock_error_ms": node.clock_error_ms,
    }


def _slow(nodes: Sequence[NodeSeen], recent: Recent) -> dict[int, str]:
    """Those whose median is far above the others', as the summary has it (`runs.share_view`), and what it is."""
    counted: tuple[tuple[str, Callable[[NodeSeen], Json]], ...] = (
        ("TTFT of the last seconds", lambda node: _recent_ttft(node, recent)),
        ("TTFT", lambda node: block_of("ttft_ms", node.totals.tally.histograms["ttft_ms"])),
        ("send lag", lambda node: block_of("send_lag_ms", node.totals.tally.histograms["send_lag_ms"])),
    )
    found: dict[int, str] = {}
    for said, block in counted:
        blocks = {index: block(node) for index, node in enumerate(nodes) if not node.is_lost}
        medians_ms = {index: each["p50"] for index, each in blocks.items() if each["count"] >= LEAST_REQUESTS}
        for index, others_ms in slow_ones(medians_ms).items():
            found.setdefault(index, f"median {said} {medians_ms[index]:.1f} ms, the others' {others_ms:.1f}")
    return found


def _recent_ttft(node: NodeSeen, recent: Recent) -> Json:
    return recent.spans.get(node.name, Span()).counts.ttft_ns.block(NS_PER_MS)
