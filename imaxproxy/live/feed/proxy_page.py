"""The live snapshot of a proxy, as one process makes it for all its viewers."""

from collections.abc import Callable
from typing import Any

import orjson

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.live.feed.snapshot import RunFigures, snapshot
from imaxproxy.live.feed.ticks import Ticks
from imaxproxy.metrics import LivePart
from imaxproxy.proxy.merged import Merged, is_simulated

Beside = Callable[[], dict[str, Any]]


class ProxyPage:
    """Called once a second while somebody watches (`LivePage` of `imaxproxy.proxy`)."""

    def __init__(self, title: str, engine: dict[str, Any] | None, clock_ns: Clock = monotonic_ns) -> None:
        self._title, self._engine = title, engine
        self._started_ns = clock_ns()
        self._ticks = Ticks()

    def __call__(self, merged: Merged, part: LivePart) -> bytes:
        run = self._figures(merged)
        self._ticks.add(part, run.tokens_an_event, None)
        return orjson.dumps(snapshot(run, part, self._ticks, {}))

    def _figures(self, merged: Merged) -> RunFigures:
        totals = merged.totals
        shared = totals.shared_events > 0
        return RunFigures(
            source="serve",
            title=self._title,
            started_ns=self._started_ns,
            tally=totals.tally,
            dimensions=totals.dimensions,
            by_model=totals.models.parts(),
            health=totals.health,
            slowest=totals.slowest,
            simulated=is_simulated(merged, self._engine),
            tokens_an_event=totals.shared_tokens / totals.shared_events if shared else 1.0,
            tokens_by="usage" if shared else "events",
            refused=dict(sorted(totals.refused.items())),
            upstreams={
                name: {"url": state.url, "up": state.up == state.seen_by}
                for name, state in merged.gauges.upstreams.items()
            },
            lost_lines=merged.lost_lines,
        )
