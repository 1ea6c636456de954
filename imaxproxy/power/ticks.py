"""What was worked on in each tick of a run: prompt tokens read, output tokens made, requests in flight.

In whole numbers, millionths of a token and nanoseconds, so that parts of a run add up to the whole, to the last bit.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from operator import add

from imaxproxy.clock import NS_PER_MS
from imaxproxy.metrics import REASONING, Exchange, Timeline

TICK_NS = 100 * NS_PER_MS
"""As fine as the usual counter."""
_MOST_TICKS = 50_000
PER_TOKEN = 1_000_000
"""Amounts are in millionths of a token: a prompt is spread over its ticks, and none of it gets lost."""


@dataclass(frozen=True, slots=True)
class Work:
    """One request's, by tick."""

    prefill: dict[int, int]
    """Prompt tokens, millionths."""
    reasoning: dict[int, int]
    answer: dict[int, int]
    """Output tokens, millionths."""
    present_ns: dict[int, int]
    """How long it was in flight."""


@dataclass(frozen=True, slots=True)
class TickGrid:
    """A stretch of time in ticks; the last one may be cut."""

    begin_ns: int
    end_ns: int
    tick_ns: int

    @classmethod
    def of(cls, begin_ns: int, end_ns: int, tick_ns: int = TICK_NS) -> "TickGrid":
        """tick_ns: longer where there would be too many."""
        return cls(begin_ns, end_ns, max(tick_ns, -(-max(end_ns - begin_ns, 1) // _MOST_TICKS)))

    @property
    def count(self) -> int:
        return -(-max(self.end_ns - self.begin_ns, 1) // self.tick_ns)

    @property
    def edges_ns(self) -> list[int]:
        """Of the ticks; one more than there are."""
        return [min(self.begin_ns + at * self.tick_ns, self.end_ns) for at in range(self.count + 1)]

    def work_of(self, exchange: Exchange) -> Work | None:
        """None for what never reached an engine.

        Output tokens belong to the tick in which their event arrived. A prompt is taken to be read evenly from the send
        to the first token; time in the engine's queue is in there, and nobody outside can tell it apart. An answer that
        was not streamed is made evenly from send to end.
        """
        ask, timeline = exchange.ask, exchange.timeline
        if ask.dialect is None or ask.sent_ns is None:
            return None
        first_ns = timeline.first_ns if len(timeline) else exchange.ended_ns
        given = exchange.usage.input_tokens if exchange.usage.input_tokens is not None else ask.planned_input_tokens
        unread = max((given or 0) - (exchange.usage.cached_tokens or 0), 0)
        prefill = self._spread(ask.sent_ns, first_ns, unread)
        present_ns = dict(self._overlaps(ask.sent_ns, max(exchange.ended_ns, ask.sent_ns + 1)))
        if len(timeline):
            return Work(prefill, *self._tokens(exchange), present_ns)
        made = self._spread(ask.sent_ns, exchange.ended_ns, exchange.output_tokens or 0)
        return Work(prefill, {}, made, present_ns)

    def _tokens(self, exchange: Exchange) -> tuple[dict[int, int], dict[int, int]]:
        """Reasoning and other tokens by tick. Where events are not counted they have equal parts of the total, or one
        each: something was made at that time, and the tick's energy has to go somewhere."""
        timeline = exchange.timeline
        total = timeline.total_tokens if timeline.counted else exchange.output_tokens or len(timeline)
        thought_by, made_by = _made_by(timeline, total)
        reasoning: dict[int, int] = {}
        answer: dict[int, int] = {}
        for tick, first, last in self._stretches(timeline):
            thought = thought_by[last] - thought_by[first]
            said = made_by[last] - made_by[first] - thought
            if thought:
                reasoning[tick] = thought
            if said:
                answer[tick] = said
        return reasoning, answer

    def _stretches(self, timeline: Timeline) -> Iterator[tuple[int, int, int]]:
        """Each tick in which an event came, with the first of its events and the first after them."""
        times_ns = timeline.times_ns
        first, end = bisect_left(times_ns, self.begin_ns), bisect_left(times_ns, self.end_ns)
        while first < end:
            tick = (times_ns[first] - self.begin_ns) // self.tick_ns
            last = bisect_left(times_ns, self.begin_ns + (tick + 1) * self.tick_ns, first, end)
            yield tick, first, last
            first = last

    def _spread(self, begin_ns: int, end_ns: int, tokens: int) -> dict[int, int]:
        if not tokens:
            return {}
        length_ns, amount = max(end_ns - begin_ns, 1), tokens * PER_TOKEN
        spread = {}
        for tick, overlap_ns in self._overlaps(begin_ns, begin_ns + length_ns):
            since_ns = max(self.begin_ns + tick * self.tick_ns - begin_ns, 0)
            spread[tick] = amount * (since_ns + overlap_ns) // length_ns - amount * since_ns // length_ns
        return spread

    def _overlaps(self, begin_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
        """Ticks that a stretch touches, and for how long."""
        begin_ns, end_ns = max(begin_ns, self.begin_ns), min(end_ns, self.end_ns)
        if end_ns <= begin_ns:
            return
        first, last = (begin_ns - self.begin_ns) // self.tick_ns, (end_ns - 1 - self.begin_ns) // self.tick_ns
        for tick in range(first, last + 1):
            tick_begin_ns = self.begin_ns + tick * self.tick_ns
            yield tick, min(end_ns, tick_begin_ns + self.tick_ns) - max(begin_ns, tick_begin_ns)


class TokenTicks:
    """Takes all exchanges of a run and knows how many tokens were worked on in each tick. Mergeable."""

    def __init__(self, grid: TickGrid) -> None:
        self.grid = grid
        self._prefill, self._output, self._reasoning, self._present_ns = ([0] * grid.count for _ in range(4))
        self.uncertain = 0
        """Answers whose tokens nobody told."""

    def add(self, exchange: Exchange) -> None:
        """One exchange; what was only passed through is no work."""
        work = self.grid.work_of(exchange)
        if work is None:
            return
        self.uncertain += exchange.output_tokens is None and len(exchange.timeline) > 0
        for mine, parts in (
            (self._prefill, work.prefill),
            (self._output, work.reasoning),
            (self._output, work.answer),
            (self._reasoning, work.reasoning),
            (self._present_ns, work.present_ns),
        ):
            for tick, amount in parts.items():
                mine[tick] += amount

    def merge(self, other: "TokenTicks") -> None:
        """Add what others saw on the same grid."""
        for name in ("_prefill", "_output", "_reasoning", "_present_ns"):
            setattr(self, name, list(map(add, getattr(self, name), getattr(other, name))))
        self.uncertain += other.uncertain

    @property
    def prefill(self) -> list[float]:
        """Prompt tokens of each tick."""
        return [amount / PER_TOKEN for amount in self._prefill]

    @property
    def output(self) -> list[float]:
        """Output tokens."""
        return [amount / PER_TOKEN for amount in self._output]

    @property
    def reasoning(self) -> list[float]:
        """The part of the output that is reasoning."""
        return [amount / PER_TOKEN for amount in self._reasoning]

    @property
    def answer(self) -> list[float]:
        """The part that is not."""
        return [(made - thought) / PER_TOKEN for made, thought in zip(self._output, self._reasoning, strict=True)]

    @property
    def present(self) -> list[float]:
        """Requests in flight, mean of the tick."""
        return [each_ns / self.grid.tick_ns for each_ns in self._present_ns]


def _made_by(timeline: Timeline, total: int) -> "tuple[_Line | list[int], _Line | list[int]]":
    """Reasoning tokens, and all tokens, that came before each event, millionths; by place, up to one past the last."""
    runs = list(timeline.runs())
    evenly = _Line(total * PER_TOKEN, len(timeline))
    if len(runs) == 1:  # the usual case
        return (evenly if runs[0][0] == REASONING else _Line(0, 1)), evenly
    thought_by, made_by, at = [0], [0], 0
    for kind, tokens, events in runs:
        for _ in range(events):
            made = tokens * PER_TOKEN if timeline.counted else evenly[at + 1] - evenly[at]
            made_by.append(made_by[-1] + made)
            thought_by.append(thought_by[-1] + (made if kind == REASONING else 0))
            at += 1
    return thought_by, made_by


@dataclass(frozen=True, slots=True)
class _Line:
    """`amount` in so many equal steps, rounded down."""

    amount: int
    steps: int

    def __getitem__(self, at: int) -> int:
        return self.amount * at // self.steps
