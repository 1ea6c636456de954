"""Where a proxy's figures are kept, and from where its pages about them come."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from imaxproxy.metrics import Exchange
from imaxproxy.proxy.merged import Gauges, Merged, Totals, stats

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ReadGauges = Callable[[], Gauges]


class Board(Protocol):
    """A proxy writes on it, and hangs out its pages."""

    def watch(self, gauges: ReadGauges, refused: Counter[str]) -> None:
        """From now on `gauges` says what is so at a moment, and the board takes out of `refused` what was counted."""

    def add(self, exchange: Exchange) -> None: ...

    def merge(self, totals: Totals) -> None:
        """Add what was counted elsewhere."""

    async def page(self, name: str) -> bytes:
        """One of `PAGES`, of the whole proxy. Raises WireError when the figures cannot be had."""


class LocalBoard:
    """The board of a proxy that is one process."""

    def __init__(self, engine: dict[str, Any] | None = None, lost_lines: Callable[[], int] = lambda: 0) -> None:
        self.totals = Totals()
        self._engine, self._lost_lines = engine, lost_lines
        self._gauges: ReadGauges = Gauges
        self._refused: Counter[str] = Counter()

    def watch(self, gauges: ReadGauges, refused: Counter[str]) -> None:
        self._gauges, self._refused = gauges, refused

    def add(self, exchange: Exchange) -> None:
        self.totals.add(exchange)

    def merge(self, totals: Totals) -> None:
        self.totals.merge(totals)

    async def page(self, name: str) -> bytes:
        self.totals.take_refused(self._refused)
        return PAGES[name](Merged(self.totals, self._gauges(), self._lost_lines()), self._engine)


def _stats_page(merged: Merged, engine: dict[str, Any] | None) -> bytes:
    return orjson.dumps(stats(merged, engine))


def _metrics_page(merged: Merged, engine: dict[str, Any] | None) -> bytes:
    from imaxproxy.proxy.prometheus import exposition  # late: a proxy that nobody scrapes does without the library

    return exposition(merged, engine)


PAGES: dict[str, Callable[[Merged, dict[str, Any] | None], bytes]] = {"stats": _stats_page, "metrics": _metrics_page}
