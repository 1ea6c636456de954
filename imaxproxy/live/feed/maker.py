"""Makes one snapshot after the other of one run, whoever counts it: a proxy, or a player's journal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.clock import NS_PER_S, Clock, monotonic_ns
from imaxproxy.live.feed.beside import Beside, Made
from imaxproxy.live.feed.snapshot import RunFigures, snapshot
from imaxproxy.live.feed.ticks import Rates, Ticks
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
        """source: serve, replay or sweep."""
        self._source, self._title, self._started_ns, self._beside = source, title, started_ns, beside
        self._clock_ns = clock_ns
        self._slo_text = ", ".join(map(str, objectives))
        self._ticks = Ticks()

    def make(self, totals: Totals, part: LivePart, facts: Facts) -> Json:
        tokens_an_event, tokens_by = 1.0, "events"
        if totals.shared_events:
            tokens_an_event, tokens_by = totals.shared_tokens / totals.shared_events, "usage"
        self._ticks.add(part, tokens_an_event, self._beside.power_w(part.at_ns))
        started_ns = self._started_ns if facts.started_ns is None else facts.started_ns
        elapsed_s = max(part.at_ns - started_ns, 0) / NS_PER_S
        run = RunFigures(
            source=self._source,
            title=self._title,
            started_ns=started_ns,
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
            slo=self._slo(totals, elapsed_s),
            progress=facts.progress,
            lost_lines=facts.lost_lines,
        )
        return snapshot(run, part, self._ticks, self._beside.blocks(self._made(run, part, elapsed_s)))

    def beside(self, totals: Totals) -> Json:
        """`power`, `cost` and `engine_metrics` alone, of requests that have ended."""
        at_ns = self._clock_ns()
        elapsed_s = max(at_ns - self._started_ns, 0) / NS_PER_S
        output_tokens = totals.tally.output_tokens or 0
        total_tokens = output_tokens + (totals.tally.input_tokens or 0)
        return self._beside.blocks(Made(at_ns, elapsed_s, output_tokens, total_tokens, Rates(None, None, None, None)))

    def _made(self, run: RunFigures, part: LivePart, elapsed_s: float) -> Made:
        window, window_s = self._ticks.window()
        output_tokens = (run.tally.output_tokens or 0) + part.open_tokens + part.open_events * run.tokens_an_event
        return Made(
            part.at_ns,
            elapsed_s,
            output_tokens,
            output_tokens + (run.tally.input_tokens or 0),
            Rates.of(window, run.tokens_an_event, window_s),
        )

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
