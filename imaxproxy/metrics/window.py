"""Warm-up, steady state and drain: which part of a run speaks for the machine."""

from bisect import bisect_left
from dataclasses import dataclass

from imaxproxy.metrics.exchange import Exchange


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
        if self.start_ns <= timeline.first_ns and timeline.last_ns < self.end_ns:
            return timeline.total_tokens
        if timeline.last_ns < self.start_ns or self.end_ns <= timeline.first_ns:
            return 0
        first, last = bisect_left(timeline.times_ns, self.start_ns), bisect_left(timeline.times_ns, self.end_ns)
        return timeline.tokens_between(first, last)


@dataclass(frozen=True, slots=True)
class Windows:
    """The whole run, and its three parts; a part is None where it has no length."""

    whole: Window
    warmup: Window | None
    steady: Window | None
    drain: Window | None


@dataclass(frozen=True, slots=True)
class Trim:
    """What a user says of the windows: seconds from the first send, seconds before the last one. None: found."""

    warmup_s: float | None = None
    cooldown_s: float | None = None
