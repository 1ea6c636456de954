"""Whose energy it was: each tick's joules, shared by the tokens that were made in it."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from imaxproxy.clock import NS_PER_MS
from imaxproxy.metrics import REASONING, Exchange
from imaxproxy.power.curve import EnergyCurve

TICK_NS = 100 * NS_PER_MS
"""As fine as the usual counter."""
_MOST_TICKS = 50_000
DEFAULT_PREFILL_WEIGHT = 0.1
"""What a prompt token costs in output tokens where the run does not tell: prompts are read many tokens a weight."""


@dataclass(frozen=True, slots=True)
class RequestEnergy:
    """One request's share, J."""

    prefill_j: float
    reasoning_j: float
    answer_j: float
    """Answer and tool calls."""
    waiting_j: float
    """Of ticks in which no token was made and no prompt was known to be read: shared by requests in flight."""

    @property
    def energy_j(self) -> float:
        return self.prefill_j + self.reasoning_j + self.answer_j + self.waiting_j


@dataclass(slots=True)
class _Work:
    """One request's work by tick: tokens, or for `present` the share of the tick in which it was in flight."""

    prefill: dict[int, float]
    reasoning: dict[int, float]
    answer: dict[int, float]
    present: dict[int, float]


class TokenTicks:
    """Takes all exchanges of a run and knows, for each tick, how many prompt and output tokens were worked on.

    Output tokens belong to the tick in which their event arrived. A prompt is taken to be read evenly from the send to
    the first token; time in the engine's queue is in there, and nobody outside can tell it apart. An answer that was
    not streamed is made evenly from send to end.
    """

    def __init__(self, begin_ns: int, end_ns: int, tick_ns: int = TICK_NS) -> None:
        length_ns = max(end_ns - begin_ns, 1)
        self.tick_ns = max(tick_ns, -(-length_ns // _MOST_TICKS))
        self.begin_ns, self.end_ns = begin_ns, end_ns
        count = -(-length_ns // self.tick_ns)
        self.prefill = array("d", bytes(8 * count))
        self.output = array("d", bytes(8 * count))
        self.reasoning = array("d", bytes(8 * count))
        """The part of the output that is reasoning."""
        self.present = array("d", bytes(8 * count))
        """Requests in flight, mean of the tick."""
        self.uncertain = 0
        """Answers whose tokens nobody told."""

    @property
    def edges_ns(self) -> list[int]:
        """Of the ticks; one more than there are."""
        return [min(self.begin_ns + at * self.tick_ns, self.end_ns) for at in range(len(self.output) + 1)]

    def add(self, exchange: Exchange) -> None:
        """One exchange; what was only passed through is no work."""
        work = self.work_of(exchange)
        if work is None:
            return
        if exchange.output_tokens is None and len(exchange.timeline):
            self.uncertain += 1
        for tick, tokens in work.prefill.items():
            self.prefill[tick] += tokens
        for part in (work.reasoning, work.answer):
            for tick, tokens in part.items():
                self.output[tick] += tokens
        for tick, tokens in work.reasoning.items():
            self.reasoning[tick] += tokens
        for tick, share in work.present.items():
            self.present[tick] += share

    def work_of(self, exchange: Exchange) -> _Work | None:
        """None for what never reached an engine."""
        ask, timeline = exchange.ask, exchange.timeline
        if ask.dialect is None or ask.sent_ns is None:
            return None
        first_ns = timeline.times_ns[0] if len(timeline) else exchange.ended_ns
        given = exchange.usage.input_tokens if exchange.usage.input_tokens is not None else ask.planned_input_tokens
        unread = max((given or 0) - (exchange.usage.cached_tokens or 0), 0)
        prefill = self._spread(ask.sent_ns, first_ns, unread)
        present = self._present(ask.sent_ns, exchange.ended_ns)
        if len(timeline):
            return _Work(prefill, *self._tokens(exchange), present)
        return _Work(prefill, {}, self._spread(ask.sent_ns, exchange.ended_ns, exchange.output_tokens or 0), present)

    def _tokens(self, exchange: Exchange) -> tuple[dict[int, float], dict[int, float]]:
        """Reasoning and other tokens by tick. Where events are not counted they have equal parts of the total, or one
        each: something was made at that time, and the tick's energy has to go somewhere."""
        timeline = exchange.timeline
        first, last = bisect_left(timeline.times_ns, self.begin_ns), bisect_left(timeline.times_ns, self.end_ns)
        ticks = [(at_ns - self.begin_ns) // self.tick_ns for at_ns in timeline.times_ns[first:last]]
        amounts: list[float] = [float(tokens) for tokens in timeline.tokens[first:last]]
        if not timeline.counted:
            amounts = [(exchange.output_tokens or len(timeline)) / len(timeline)] * len(ticks)
        reasoning: dict[int, float] = {}
        answer: dict[int, float] = {}
        for tick, kind, amount in zip(ticks, timeline.kinds[first:last], amounts, strict=True):
            part = reasoning if kind == REASONING else answer
            part[tick] = part.get(tick, 0.0) + amount
        return reasoning, answer

    def _spread(self, begin_ns: int, end_ns: int, amount: float) -> dict[int, float]:
        if not amount:
            return {}
        length_ns = max(end_ns - begin_ns, 1)
        return {
            tick: amount * overlap_ns / length_ns for tick, overlap_ns in self._overlaps(begin_ns, begin_ns + length_ns)
        }

    def _present(self, begin_ns: int, end_ns: int) -> dict[int, float]:
        return {
            tick: overlap_ns / self.tick_ns for tick, overlap_ns in self._overlaps(begin_ns, max(end_ns, begin_ns + 1))
        }

    def _overlaps(self, begin_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
        """Ticks that a stretch touches, and for how long."""
        begin_ns, end_ns = max(begin_ns, self.begin_ns), min(end_ns, self.end_ns)
        if end_ns <= begin_ns:
            return
        first, last = (begin_ns - self.begin_ns) // self.tick_ns, (end_ns - 1 - self.begin_ns) // self.tick_ns
        for tick in range(first, last + 1):
            tick_begin_ns = self.begin_ns + tick * self.tick_ns
            yield tick, min(end_ns, tick_begin_ns + self.tick_ns) - max(begin_ns, tick_begin_ns)


class Sharer:
    """Shares the energy of a run among its requests, after all of them have been added to the ticks.

        e_r = sum over ticks of dE * (output_r + w * prefill_r) / (all output + w * all prefill)     (energy.md 2, M4)

    A tick in which nothing was made goes to the requests in flight, by their time in it; one without any is nobody's:
    `unattributed_j`. Shares of all requests and that add up to the window's energy.
    """

    def __init__(self, ticks: TokenTicks, curve: EnergyCurve, prefill_weight: float = DEFAULT_PREFILL_WEIGHT) -> None:
        """prefill_weight: w, the energy of a prompt token in output tokens."""
        self._ticks, self.prefill_weight = ticks, prefill_weight
        energy_j = curve.slices_j(ticks.edges_ns)
        self.total_j = sum(energy_j)
        self.unattributed_j = 0.0
        self.attributed_j = 0.0
        self.reasoning_j = self.answer_j = self.prefill_j = 0.0
        self._j_per_token = array("d", bytes(8 * len(energy_j)))
        self._j_per_presence = array("d", bytes(8 * len(energy_j)))
        for tick, tick_j in enumerate(energy_j):
            weight = ticks.output[tick] + prefill_weight * ticks.prefill[tick]
            if weight > 0:
                self._j_per_token[tick] = tick_j / weight
            elif ticks.present[tick] > 0:
                self._j_per_presence[tick] = tick_j / ticks.present[tick]
            else:
                self.unattributed_j += tick_j

    def decoding(self, begin_ns: int, end_ns: int) -> tuple[float, float, float, float]:
        """Reasoning joules and tokens, answer joules and tokens, of the ticks whose middle lies in a stretch."""
        ticks = self._ticks
        first = max(round((begin_ns - ticks.begin_ns) / ticks.tick_ns), 0)
        last = min(round((end_ns - ticks.begin_ns) / ticks.tick_ns), len(ticks.output))
        reasoning_j = reasoning = answer_j = answer = 0.0
        for tick in range(first, last):
            thought, said = ticks.reasoning[tick], ticks.output[tick] - ticks.reasoning[tick]
            reasoning, answer = reasoning + thought, answer + said
            reasoning_j += thought * self._j_per_token[tick]
            answer_j += said * self._j_per_token[tick]
        return reasoning_j, reasoning, answer_j, answer

    def share_of(self, exchange: Exchange) -> RequestEnergy | None:
        """One request's; None for what never reached an engine."""
        work = self._ticks.work_of(exchange)
        if work is None:
            return None
        share = RequestEnergy(
            prefill_j=self.prefill_weight * _dot(work.prefill, self._j_per_token),
            reasoning_j=_dot(work.reasoning, self._j_per_token),
            answer_j=_dot(work.answer, self._j_per_token),
            waiting_j=_dot(work.present, self._j_per_presence),
        )
        self.attributed_j += share.energy_j
        self.prefill_j += share.prefill_j
        self.reasoning_j += share.reasoning_j
        self.answer_j += share.answer_j
        return share


def _dot(amounts: dict[int, float], price: "array[float]") -> float:
    return sum(amount * price[tick] for tick, amount in amounts.items())
