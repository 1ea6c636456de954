"""Warm-up, steady state and drain: which part of a run speaks for the machine."""

from bisect import bisect_left
from dataclasses import dataclass

from imaxproxy.clock import NS_PER_US
from imaxproxy.metrics.ending import Outcome
from imaxproxy.metrics.exchange import Exchange
from imaxproxy.metrics.formulas import e2e_ns
from imaxproxy.metrics.histogram import Histogram


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of the monotonic clock, [start, end)."""

    start_ns: int
    end_ns: int

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns

    def holds(self, time_ns: int) -> bool:
        return self.start_ns <= time_ns < self.end_ns

    def tokens_of(self, exchange: Exchange) -> int:
        """Output tokens that arrived inside. An answer that was not streamed arrives whole, at its end."""
        timeline = exchange.timeline
        if not len(timeline):
            return (exchange.output_tokens or 0) if self.holds(exchange.ended_ns) else 0
        first, last = bisect_left(timeline.times_ns, self.start_ns), bisect_left(timeline.times_ns, self.end_ns)
        return timeline.tokens_between(first, last)


@dataclass(frozen=True, slots=True)
class Windows:
    """The whole run, and its three parts; a part is None where it has no length."""

    whole: Window
    warmup: Window | None
    steady: Window | None
    drain: Window | None


class WindowFinder:
    """Finds the windows from all exchanges of a run, in any order.

    Warm-up lasts for the p90 of E2E from the first send: after about one request's life the number in flight, and with
    it the batch the engine runs, no longer depends on the empty start. The drain begins with the last send: from there
    the batch only shrinks. What lies between is steady. A run too short for that has no steady window.
    """

    def __init__(self) -> None:
        self._first_sent_ns: int | None = None
        self._last_sent_ns = 0
        self._last_ended_ns = 0
        self._e2e_us = Histogram()

    def add(self, exchange: Exchange) -> None:
        if exchange.ask.dialect is None:
            return
        sent_ns = exchange.ask.sent_ns if exchange.ask.sent_ns is not None else exchange.ask.started_ns
        self._first_sent_ns = sent_ns if self._first_sent_ns is None else min(self._first_sent_ns, sent_ns)
        self._last_sent_ns = max(self._last_sent_ns, sent_ns)
        self._last_ended_ns = max(self._last_ended_ns, exchange.ended_ns, sent_ns)
        if exchange.outcome is Outcome.COMPLETED and (duration_ns := e2e_ns(exchange)) is not None:
            self._e2e_us.record(duration_ns // NS_PER_US)

    def close(self) -> Windows | None:
        """The windows; None for a run without exchanges."""
        start_ns = self._first_sent_ns
        if start_ns is None:
            return None
        end_ns = self._last_ended_ns + 1  # half open: the last token counts
        whole = Window(start_ns, end_ns)
        warm_ns = start_ns + (self._e2e_us.value_at(90.0) or 0) * NS_PER_US
        if warm_ns == start_ns or warm_ns >= self._last_sent_ns:
            return Windows(whole, None, None, None)
        return Windows(
            whole, Window(start_ns, warm_ns), Window(warm_ns, self._last_sent_ns), Window(self._last_sent_ns, end_ns)
        )
