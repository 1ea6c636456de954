"""Finds the windows of a run: where its warm-up ends, and where its drain begins."""

from collections.abc import Sequence
from copy import copy

from imaxproxy.clock import NS_PER_S, NS_PER_US
from imaxproxy.metrics.ending import Outcome
from imaxproxy.metrics.exchange import Exchange
from imaxproxy.metrics.formulas import e2e_ns
from imaxproxy.metrics.histogram import Histogram
from imaxproxy.metrics.level import backlog_growth, mser5
from imaxproxy.metrics.under_way import Grid, UnderWay
from imaxproxy.metrics.window import Trim, Window, Windows

_MOST_SLICES, _LEAST_SLICES, _STARTS_A_SLICE = 500, 50, 2


class WindowFinder:
    """Finds the windows from all exchanges of a run, in any order.

    Warm-up ends at the later of two: after the p90 of E2E, when the batch that the engine runs no longer depends on the
    empty start; and where MSER-5 cuts the number of requests in flight, when it has come to its level. The drain begins
    with the last send: from there the batch only shrinks. What lies between is steady. A run too short for that has no
    steady window; one whose number in flight never came to a level has one, and `settled` is False.

    Mergeable. Finders of several machines need not hand on when each request was under way: `extent` leaves that out;
    merged, they know the `grid`, each machine answers with its `busy` of it, and the sum closes the merged one.
    """

    def __init__(self, trim: Trim | None = None) -> None:
        self._trim = trim or Trim()
        self._count = 0
        self._first_sent_ns: int | None = None
        self._last_sent_ns = 0
        self._last_ended_ns = 0
        self._e2e_us = Histogram()
        self._under_way = UnderWay()
        self.settled: bool | None = None
        """Whether the number in flight came to a level within the first half; None: too short to tell."""
        self.backlog_growth_share: float | None = None
        """See `backlog_growth`; None: too short to tell."""

    def add(self, exchange: Exchange) -> None:
        if exchange.ask.dialect is None:
            return
        sent_ns = exchange.ask.begun_ns
        self._take(1, sent_ns, sent_ns, max(exchange.ended_ns, sent_ns))
        self._under_way.add(sent_ns, max(exchange.ended_ns, sent_ns))
        if exchange.outcome is Outcome.COMPLETED and (duration_ns := e2e_ns(exchange)) is not None:
            self._e2e_us.record(duration_ns // NS_PER_US)

    def merge(self, other: "WindowFinder") -> None:
        if other._first_sent_ns is not None:
            self._take(other._count, other._first_sent_ns, other._last_sent_ns, other._last_ended_ns)
        self._under_way.merge(other._under_way)
        self._e2e_us.merge(other._e2e_us)

    def extent(self) -> "WindowFinder":
        """All but when each request was under way: its size does not grow with their number."""
        light = copy(self)
        light._under_way = UnderWay()
        return light

    def grid(self) -> Grid | None:
        """Slices of the time in which requests leave; None where there are too few to tell a level."""
        if self._first_sent_ns is None:
            return None
        sending_ns = self._last_sent_ns - self._first_sent_ns
        slices = min(_MOST_SLICES, self._count // _STARTS_A_SLICE)
        if slices < _LEAST_SLICES or sending_ns < slices:
            return None
        return Grid(self._first_sent_ns, sending_ns, slices)

    def busy(self, grid: Grid) -> list[int]:
        """See `UnderWay.busy`."""
        return self._under_way.busy(grid)

    def close(self, busy: Sequence[int] | None = None) -> Windows | None:
        """The windows; None for a run without exchanges. busy: of the grid, where others have to be asked for it."""
        start_ns = self._first_sent_ns
        if start_ns is None:
            return None
        end_ns = self._last_ended_ns + 1  # half open: the last token counts
        whole = Window(start_ns, end_ns)
        warm_ns, cool_ns = self._warm_ns(start_ns, busy), self._last_sent_ns
        if self._trim.cooldown_s is not None:
            cool_ns = self._last_sent_ns - round(self._trim.cooldown_s * NS_PER_S)
        if warm_ns is None or warm_ns >= cool_ns:
            return Windows(whole, None, None, None)
        warmup = Window(start_ns, warm_ns) if warm_ns > start_ns else None
        return Windows(whole, warmup, Window(warm_ns, cool_ns), Window(cool_ns, end_ns))

    def _take(self, count: int, first_sent_ns: int, last_sent_ns: int, last_ended_ns: int) -> None:
        self._count += count
        known = self._first_sent_ns
        self._first_sent_ns = first_sent_ns if known is None else min(known, first_sent_ns)
        self._last_sent_ns = max(self._last_sent_ns, last_sent_ns)
        self._last_ended_ns = max(self._last_ended_ns, last_ended_ns)

    def _warm_ns(self, start_ns: int, busy: Sequence[int] | None) -> int | None:
        """Where the warm-up ends; None where nothing completed that would tell."""
        if self._trim.warmup_s is not None:
            return start_ns + round(self._trim.warmup_s * NS_PER_S)
        life_ns = (self._e2e_us.value_at(90.0) or 0) * NS_PER_US
        if not life_ns:
            return None
        return max(start_ns + life_ns, self._level_from_ns(start_ns, busy))

    def _level_from_ns(self, start_ns: int, busy: Sequence[int] | None) -> int:
        """From when the number in flight is at its level, by MSER-5 over the grid."""
        grid = self.grid()
        if grid is None:
            return start_ns
        levels = grid.levels(self.busy(grid) if busy is None else busy)
        cut, self.settled = mser5(levels)
        self.backlog_growth_share = backlog_growth(levels, self._count)
        return start_ns + grid.span_ns * cut // grid.slices
