"""The live snapshot of a proxy, as one process makes it for all its viewers."""

from typing import Any

import orjson

from imaxproxy.live.feed.crew_view import HERE
from imaxproxy.live.feed.maker import Facts, SnapshotMaker
from imaxproxy.metrics import LivePart
from imaxproxy.proxy.merged import Merged, is_simulated


class ProxyPage:
    """Called once a second while somebody watches (`LivePage` of `imaxproxy.proxy`)."""

    def __init__(self, maker: SnapshotMaker, engine: dict[str, Any] | None) -> None:
        self._maker, self._engine = maker, engine

    def __call__(self, merged: Merged, part: LivePart) -> bytes:
        facts = Facts(
            simulated=is_simulated(merged, self._engine),
            refused=dict(sorted(merged.totals.refused.items())),
            upstreams={
                name: {"url": state.url, "up": state.up == state.seen_by}
                for name, state in merged.gauges.upstreams.items()
            },
            lost_lines=merged.lost_lines,
        )
        return orjson.dumps(self._maker.make(merged.totals, {HERE: part}, facts))

    def beside(self, merged: Merged) -> dict[str, Any]:
        """`power`, `cost` and `engine_metrics` for `/metrics`; tokens of streams in flight are not asked for."""
        return self._maker.beside(merged.totals)
