"""Where a proxy's figures are kept, and from where its pages about them come."""

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import orjson

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import Exchange, LiveMeter, LivePart, Objective, Totals, pause_ns
from imaxproxy.proxy.merged import Gauges, Merged, stats
from imaxproxy.proxy.metrics_form import PROTOBUF, TEXT
from imaxproxy.proxy.views import Views

ReadGauges = Callable[[], Gauges]


class LivePage(Protocol):
    """Makes what the proxy alone does not know of itself."""

    def __call__(self, merged: Merged, part: LivePart) -> bytes:
        """The live snapshot (`imaxproxy.live/1`, JSON) of what is so and of what came since it was last asked."""

    def beside(self, merged: Merged) -> dict[str, Any]:
        """`power`, `cost` and `engine_metrics` as they are now."""


class Board(Protocol):
    """A proxy writes on it, and hangs out its pages."""

    views: Views
    objectives: tuple[Objective, ...]
    """What good service is: all totals judge by them."""

    def watch(self, gauges: ReadGauges, refused: Counter[str], meter: LiveMeter) -> None:
        """From now on `gauges` says what is so at a moment, `meter` looks at what is in flight, and the board takes out
        of `refused` what was counted."""

    def add(self, exchange: Exchange) -> None: ...

    def merge(self, totals: Totals) -> None:
        """Add what was counted elsewhere."""

    async def page(self, name: str) -> bytes:
        """One of `PAGES`, of the whole proxy. Raises WireError when the figures cannot be had."""


class LocalBoard:
    """The board of a proxy that is one process."""

    def __init__(
        self,
        engine: dict[str, Any] | None = None,
        lost_lines: Callable[[], int] = lambda: 0,
        live: LivePage | None = None,
        objectives: tuple[Objective, ...] = (),
    ) -> None:
        self.objectives, self.totals = objectives, Totals(objectives)
        self._engine, self._lost_lines, self._live = engine, lost_lines, live
        self._gauges: ReadGauges = Gauges
        self._refused: Counter[str] = Counter()
        self._meter: LiveMeter | None = None
        self._ticks: asyncio.Task[None] | None = None
        self.views = Views(self._look_often, self._look_no_more)

    def watch(self, gauges: ReadGauges, refused: Counter[str], meter: LiveMeter) -> None:
        self._gauges, self._refused, self._meter = gauges, refused, meter

    def add(self, exchange: Exchange) -> None:
        self.totals.add(exchange)

    def merge(self, totals: Totals) -> None:
        self.totals.merge(totals)

    async def page(self, name: str) -> bytes:
        return make_page(name, self._merged(), self._engine, self._live)

    def _merged(self) -> Merged:
        self.totals.take_refused(self._refused)
        return Merged(self.totals, self._gauges(), self._lost_lines())

    def _look_often(self) -> None:
        if self._live is not None and self._meter is not None:
            self._ticks = asyncio.ensure_future(self._look(self._live, self._meter))

    def _look_no_more(self) -> None:
        if self._ticks is not None:
            self._ticks.cancel()
            self._ticks = None
        if self._meter is not None:
            self._meter.stop()

    async def _look(self, live: LivePage, meter: LiveMeter) -> None:
        try:
            while True:
                for _ in meter.steps():
                    await asyncio.sleep(0)
                part, since_ns = meter.take(), time.thread_time_ns()
                self.views.publish(live(self._merged(), part))
                meter.spent(time.thread_time_ns() - since_ns)
                await asyncio.sleep(pause_ns(part.dearest_ns) / NS_PER_S)
        except Exception:  # a bug in a page must not end the proxy: stderr hears of it, viewers see their stream end
            traceback.print_exc()
            self.views.end()


def make_page(name: str, merged: Merged, engine: dict[str, Any] | None, live: LivePage | None) -> bytes:
    """One of `PAGES`."""
    if live is not None and name in _WANT_BESIDE:
        merged = replace(merged, beside=live.beside(merged))
    return PAGES[name](merged, engine)


def _stats_page(merged: Merged, engine: dict[str, Any] | None) -> bytes:
    return orjson.dumps(stats(merged, engine))


def _metrics_page(merged: Merged, engine: dict[str, Any] | None) -> bytes:
    from imaxproxy.proxy.prometheus import exposition  # late: a proxy that nobody scrapes does without the library

    return exposition(merged, engine)


def _protobuf_page(merged: Merged, engine: dict[str, Any] | None) -> bytes:
    from imaxproxy.proxy.prometheus import protobuf_exposition

    return protobuf_exposition(merged, engine)


PAGES: dict[str, Callable[[Merged, dict[str, Any] | None], bytes]] = {
    "stats": _stats_page,
    TEXT.page: _metrics_page,
    PROTOBUF.page: _protobuf_page,
}
_WANT_BESIDE = frozenset({TEXT.page, PROTOBUF.page})
