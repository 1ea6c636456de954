"""Warm-up, steady state and drain: which part of a run speaks for the machine."""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from imaxproxy.clock import NS_PER_S, NS_PER_US
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


@dataclass(frozen=True, slots=True)
class Trim:
    """What a user says of the windows: seconds from the first send, seconds before the last one. None: found."""

    warmup_s: float | None = None
    cooldown_s: float | None = None


class WindowFinder:
    """Finds the windows from all exchanges of a run, in any order.

    Warm-up ends at the later of two: after the p90 of E2E, when the batch that the engine runs no longer depends on the
    empty start; and where MSER-5 cuts the number of requests in flight, when it has come to its level. The drain begins
    with the last send: from there the batch only shrinks. What lies between is steady. A run too short for that has no
    steady window; one whose number in flight never came to a level has one, and `settled` is False.
    """

    def __init__(self, trim: Trim | None = None) -> None:
        self._trim = trim or Trim()
        self._first_sent_ns: int | None = None
        self._last_sent_ns = 0
        self._last_ended_ns = 0
        self._e2e_us = Histogram()
        self._begun_ns = array("q")
        self._ended_ns = array("q")
        self.settled: bool | None = None
        """Whether the number in flight came to a level within the first half; None: too short to tell."""
        self.backlog_growth_share: float | None = None
        """See `backlog_growth`; None: too short to tell."""

    def add(self, exchange: Exchange) -> None:
        if exchange.ask.dialect is None:
            return
        sent_ns = exchange.ask.sent_ns if exchange.ask.sent_ns is not None else exchange.ask.started_ns
        self._first_sent_ns = sent_ns if self._first_sent_ns is None else min(self._first_sent_ns, sent_ns)
        self._last_sent_ns = max(self._last_sent_ns, sent_ns)
        self._last_ended_ns = max(self._last_ended_ns, exchange.ended_ns, sent_ns)
        self._begun_ns.append(sent_ns)
        self._ended_ns.append(max(exchange.ended_ns, sent_ns))
        if exchange.outcome is Outcome.COMPLETED and (duration_ns := e2e_ns(exchange)) is not None:
            self._e2e_us.record(duration_ns // NS_PER_US)

    def close(self) -> Windows | None:
        """The windows; None for a run without exchanges."""
        start_ns = self._first_sent_ns
        if start_ns is None:
            return None
        end_ns = self._last_ended_ns + 1  # half open: the last token counts
        whole = Window(start_ns, end_ns)
        warm_ns, cool_ns = self._warm_ns(start_ns), self._last_sent_ns
        if self._trim.cooldown_s is not None:
            cool_ns = self._last_sent_ns - round(self._trim.cooldown_s * NS_PER_S)
        if warm_ns is None or warm_ns >= cool_ns:
            return Windows(whole, None, None, None)
        warmup = Window(start_ns, warm_ns) if warm_ns > start_ns else None
        return Windows(whole, warmup, Window(warm_ns, cool_ns), Window(cool_ns, end_ns))

    def _warm_ns(self, start_ns: int) -> int | None:
        """Where the warm-up ends; None where nothing completed that would tell."""
        if self._trim.warmup_s is not None:
            return start_ns + round(self._trim.warmup_s * NS_PER_S)
        life_ns = (self._e2e_us.value_at(90.0) or 0) * NS_PER_US
        if not life_ns:
            return None
        return max(start_ns + life_ns, self._level_from_ns(start_ns))

    def _level_from_ns(self, start_ns: int) -> int:
        """From when the number in flight is at its level, by MSER-5 over slices of the time in which requests leave."""
        sending_ns = self._last_sent_ns - start_ns
        slices = min(_MOST_SLICES, len(self._begun_ns) // _STARTS_A_SLICE)
        if slices < _LEAST_SLICES or sending_ns < slices:
            return start_ns
        levels = _in_flight(self._begun_ns, self._ended_ns, start_ns, sending_ns, slices)
        cut, self.settled = mser5(levels)
        self.backlog_growth_share = backlog_growth(levels, len(self._begun_ns))
        return start_ns + sending_ns * cut // slices


_MOST_SLICES, _LEAST_SLICES, _STARTS_A_SLICE = 500, 50, 2
_NEARLY = 1.1
_FLAT = 1e-9
"""A spread below this share of the squares is none: a closed loop's level is flat, what is left of it is rounding."""


def mser5(values: Sequence[float]) -> tuple[int, bool]:
    """How many values to leave out at the start so that the mean of the rest is surest, and whether that is believable.

    MSER-5 (White, Cobb and Spratt 2000): over means of 5, the cut d at which the squared standard error of what is left
    is least: sum((y - mean)^2) / (n - d)^2, for d up to half. A least one at the half means that the series is still on
    its way: False. Else the earliest cut is taken that is nearly as good, for on a level the least one lies anywhere.
    """
    batches = [sum(values[at : at + 5]) / 5 for at in range(0, len(values) - 4, 5)]
    if not batches:
        return 0, False
    count, total, squares = 0, 0.0, 0.0
    errors: list[float] = []
    for value in reversed(batches):
        count, total, squares = count + 1, total + value, squares + value * value
        errors.append(max(squares - total * total / count, _FLAT * squares) / (count * count))
    errors.reverse()  # errors[d]: d batches left out
    half = len(batches) // 2
    least = min(range(half + 1), key=errors.__getitem__)
    if least == half:
        return half * 5, False
    return 5 * next(cut for cut in range(half) if errors[cut] <= _NEARLY * errors[least]), True


def backlog_growth(levels: Sequence[float], starts: int) -> float:
    """The share of the requests sent in half of the time that stayed behind in flight: what an engine does not keep up.

        growth = (mean of the last quarter - mean of the second quarter) / (starts / 2)

    levels: number in flight in equal slices of the sending time, at least 4.  starts: requests sent in all of them.
    0 where the growth is below sqrt(mean of the second quarter), the spread of a Poisson count: no trend can be seen.
    Of 100 simulated queues each, of 60 s at 5 requests/s, 0.08 is passed by 7 at 90 % of capacity, by 90 at 120 %.
    """
    quarter = len(levels) // 4
    second = sum(levels[quarter : 2 * quarter]) / quarter
    last = sum(levels[-quarter:]) / quarter
    growth = last - second
    return 2 * growth / starts if growth > max(1.0, second) ** 0.5 else 0.0


def _in_flight(
    begun_ns: Sequence[int], ended_ns: Sequence[int], start_ns: int, span_ns: int, slices: int
) -> list[float]:
    """The mean number in flight in each of so many equal slices of the span."""
    busy_ns = [0.0] * slices
    steps = [0] * (slices + 1)  # whole slices that lie between a request's first and last
    width_ns = span_ns / slices
    for begin, end in zip(begun_ns, ended_ns, strict=True):
        first_at, last_at = (begin - start_ns) / width_ns, min((end - start_ns) / width_ns, slices)
        first, last = min(int(first_at), slices - 1), min(int(last_at), slices - 1)
        if first == last:
            busy_ns[first] += last_at - first_at
            continue
        busy_ns[first] += first + 1 - first_at
        busy_ns[last] += last_at - last
        steps[first + 1] += 1
        steps[last] -= 1
    whole = accumulate(steps)
    return [part + between for part, between in zip(busy_ns, whole, strict=False)]
