"""Makes one snapshot after the other of one run, whoever counts it: a proxy, or a player's journal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.clock import NS_PER_S, Clock, monotonic_ns
from imaxproxy.live.feed.beside import Beside, Made
from imaxproxy.live.feed.nodes import NodeSeen, node_rows
from imaxproxy.live.feed.snapshot import RunFigures, snapshot
from imaxproxy.live.feed.ticks import Rates, Recent, Ticks
from imaxproxy.metrics import LivePart, Objective, Totals

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is so at a moment, beside what was counted."""

    simulated: bool = False
    refused: Mapping[str, int] = field(default_factory=dict)
    upstreams: Mapping[str, Json] = field(default_factory=dict)
    lost_lines: int = 0
    remaining_s: float | None = None
    progress: Json | None = None
    started_ns: int | None = None
    """When the run began, where that was later than the maker was made."""
    at_ns: int | None = None
    """Now; None: when the newest part was seen."""
    nodes: Sequence[NodeSeen] = ()
    """Of a run on a cluster: their names are those under which parts come."""
    reasons: Sequence[str] = ()
    """Further ones for which the figures are not to be believed."""


class SnapshotMaker:
    """Remembers the last seconds (`Ticks`), so all parts must go through one of these, a second apart."""

    def __init__(
        self,
        source: str,
        title: str,
        started_ns: int,
        beside: Beside,
        objectives: tuple[Objective, ...] = (),
        clock_ns: Clock = monotonic_ns,
    ) -> None:
        """source: serve, replay, search or sweep."""
        self._source, self._title, self._started_ns, self._beside = source, title, started_ns, beside
        self._clock_ns = clock_ns
        self._slo_text = ", ".join(map(str, objectives))
        self._ticks = Ticks()

    def make(self, totals: Totals, parts: Mapping[str, LivePart], facts: Facts) -> Json:
        """parts: what has been seen since the last time, by who saw it; one key where one process or machine sees all.

        Who has none keeps the last one: it did not answer in time.
        """
        tokens_an_event, tokens_by = 1.0, "events"
        if totals.shared_events:
            tokens_an_event, tokens_by = totals.shared_tokens / totals.shared_events, "usage"
        ticks = self._ticks
        for node in facts.nodes:
            if node.is_lost:
                ticks.forget(node.name)
        at_ns = max((part.at_ns for part in parts.values()), default=0) if facts.at_ns is None else facts.at_ns
        ticks.add(parts, at_ns, tokens_an_event, self._beside.power_w(at_ns))
        part, recent = _together(ticks.newest()), ticks.recent()
        started_ns = self._started_ns if facts.started_ns is None else facts.started_ns
        run = RunFigures(
            source=self._source,
            title=self._title,
            started_ns=started_ns,
            at_ns=at_ns,
            tally=totals.tally,
            dimensions=totals.dimensions,
            by_model=totals.models.parts(),
            health=totals.health,
            slowest=totals.slowest,
            simulated=facts.simulated or bool(totals.tally.simulated),
            tokens_an_event=tokens_an_event,
            tokens_by=tokens_by,
            refused=facts.refused,
            upstreams=facts.upstreams,
            remaining_s=facts.remaining_s,
            slo=self._slo(totals, max(at_ns - started_ns, 0) / NS_PER_S),
            progress=facts.progress,
            lost_lines=facts.lost_lines,
            nodes=node_rows(facts.nodes, ticks.newest(), recent, at_ns, tokens_an_event) if facts.nodes else None,
            reasons=facts.reasons,
        )
        beside = self._beside.blocks(_made(run, part, recent))
        return snapshot(run, part, recent, ticks.history(), beside)

    def beside(self, totals: Totals) -> Json:
        """`power`, `cost` and `engine_metrics` alone, of requests that have ended."""
        at_ns = self._clock_ns()
        elapsed_s = max(at_ns - self._started_ns, 0) / NS_PER_S
        output_tokens = totals.tally.output_tokens or 0
        total_tokens = output_tokens + (totals.tally.input_tokens or 0)
        return self._beside.blocks(Made(at_ns, elapsed_s, output_tokens, total_tokens, Rates(None, None, None, None)))

    def _slo(self, totals: Totals, elapsed_s: float) -> Json | None:
        if totals.slo is None:
            return None
        stats = totals.slo.stats(elapsed_s)
        return {
            "text": self._slo_text,
            "attainment": stats["attainment"],
            "goodput_requests_per_s": stats["goodput_per_s"],
            "met": stats["good"],
            "of": stats["requests"],
        }


def _together(parts: Mapping[str, LivePart]) -> LivePart:
    """What is so now of all."""
    if len(parts) == 1:
        return next(iter(parts.values()))
    whole = LivePart()
    for part in parts.values():
        whole.merge(part)
    return whole


def _made(run: RunFigures, part: LivePart, recent: Recent) -> Made:
    output_tokens = (run.tally.output_tokens or 0) + part.open_tokens + part.open_events * run.tokens_an_event
    return Made(
        run.at_ns,
        max(run.at_ns - run.started_ns, 0) / NS_PER_S,
        output_tokens,
        output_tokens + (run.tally.input_tokens or 0),
        recent.rates(run.tokens_an_event),
    )
