"""A run over time: arrivals, requests in flight, tokens/s, watts, in equal steps."""

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

from imaxproxy.clock import NS_PER_S
from imaxproxy.errors import ImaxproxyError
from imaxproxy.metrics import Exchange, Outcome, Window
from imaxproxy.power import EnergyCurve, Recording, read_power, window_energy
from imaxproxy.runs import RunDirectory

MOST_STEPS = 120
_NICE = (1, 2, 5, 10)


def step_s(duration_s: float, most_steps: int = MOST_STEPS) -> float:
    """The least of 1, 2, 5 x 10^n seconds, from 10 ms on, that cuts a run into at most so many steps."""
    least = max(duration_s / most_steps, 0.01)
    scale = 10.0 ** math.floor(math.log10(least))
    return min(nice * scale for nice in _NICE if nice * scale >= least * (1 - 1e-9))


@dataclass(frozen=True, slots=True)
class RunTimeline:
    """Every list has one value a step; times are seconds from the first send. The last step may be cut by the end."""

    step_s: float
    duration_s: float
    arrivals_per_s: list[float]
    """Requests sent."""
    failures_per_s: list[float]
    """Requests that failed or were cut, when they ended."""
    in_flight: list[float]
    """Mean over the step, from send to end."""
    waiting: list[float]
    """Of those, without a token yet."""
    output_tokens_per_s: list[float]
    """Tokens as they arrived; an answer that was not streamed arrives whole."""
    power_w: list[float] | None
    """Mean of all counted boards; None where none were measured."""
    why_no_power: str | None
    tokens_known: bool


class TimelineBuilder:
    """Takes every exchange of a run once its whole window is known."""

    def __init__(self, whole: Window, most_steps: int = MOST_STEPS) -> None:
        self.whole = whole
        self.step_s = step_s(whole.duration_ns / NS_PER_S, most_steps)
        self._step_ns = round(self.step_s * NS_PER_S)
        count = max(1, -(-whole.duration_ns // self._step_ns))
        self._edges_ns = [min(whole.start_ns + number * self._step_ns, whole.end_ns) for number in range(count + 1)]
        self._arrivals, self._failures = [0] * count, [0] * count
        self._in_flight, self._waiting = Overlaps(self._edges_ns), Overlaps(self._edges_ns)
        self._tokens = [0] * count
        self._tokens_known = False

    def add(self, exchange: Exchange) -> None:
        ask = exchange.ask
        if ask.dialect is None:
            return
        begun_ns = ask.begun_ns
        ended_ns = max(exchange.ended_ns, begun_ns)
        self._arrivals[self._number(begun_ns)] += 1
        if exchange.outcome in (Outcome.FAILED, Outcome.TRUNCATED):
            self._failures[self._number(ended_ns)] += 1
        times_ns = exchange.timeline.times_ns
        self._in_flight.add(begun_ns, ended_ns)
        self._waiting.add(begun_ns, times_ns[0] if len(times_ns) else ended_ns)
        self._add_tokens(exchange)

    def close(self, power_w: list[float] | None = None, why_no_power: str | None = None) -> RunTimeline:
        lengths_s = [(b - a) / NS_PER_S or self.step_s for a, b in pairwise(self._edges_ns)]
        return RunTimeline(
            step_s=self.step_s,
            duration_s=self.whole.duration_ns / NS_PER_S,
            arrivals_per_s=[count / length for count, length in zip(self._arrivals, lengths_s, strict=True)],
            failures_per_s=[count / length for count, length in zip(self._failures, lengths_s, strict=True)],
            in_flight=self._in_flight.means(),
            waiting=self._waiting.means(),
            output_tokens_per_s=[count / length for count, length in zip(self._tokens, lengths_s, strict=True)],
            power_w=power_w,
            why_no_power=why_no_power,
            tokens_known=self._tokens_known,
        )

    @property
    def edges_ns(self) -> list[int]:
        """Where steps begin, and the end of the last one."""
        return self._edges_ns

    def _add_tokens(self, exchange: Exchange) -> None:
        timeline = exchange.timeline
        times_ns = timeline.times_ns
        if not len(times_ns):
            if exchange.output_tokens:
                self._tokens[self._number(exchange.ended_ns)] += exchange.output_tokens
                self._tokens_known = True
            return
        if not timeline.counted:
            return
        self._tokens_known = True
        first, last = self._number(times_ns[0]), self._number(times_ns[-1])
        begin = 0
        for number in range(first, last):
            end = bisect_left(times_ns, self._edges_ns[number + 1], begin)
            if end > begin:
                self._tokens[number] += timeline.tokens_between(begin, end)
            begin = end
        self._tokens[last] += timeline.tokens_between(begin, len(times_ns))

    def _number(self, at_ns: int) -> int:
        return min(max((at_ns - self.whole.start_ns) // self._step_ns, 0), len(self._tokens) - 1)


class Overlaps:
    """How much of each step was covered, by how many: their mean number at a time."""

    def __init__(self, edges_ns: list[int]) -> None:
        self._edges_ns = edges_ns
        self._step_ns = max(edges_ns[1] - edges_ns[0], 1)
        count = len(edges_ns) - 1
        self._partly_ns = [0] * count
        self._begun = [0] * (count + 1)
        """Differences: how many more cover whole steps from here on."""

    def add(self, begin_ns: int, end_ns: int) -> None:
        edges_ns = self._edges_ns
        begin_ns, end_ns = max(begin_ns, edges_ns[0]), min(end_ns, edges_ns[-1])
        if end_ns <= begin_ns:
            return
        last_step = len(self._partly_ns) - 1
        first = min((begin_ns - edges_ns[0]) // self._step_ns, last_step)
        last = min((end_ns - edges_ns[0]) // self._step_ns, last_step)
        if first == last:
            self._partly_ns[first] += end_ns - begin_ns
            return
        self._partly_ns[first] += edges_ns[first + 1] - begin_ns
        self._partly_ns[last] += end_ns - edges_ns[last]
        self._begun[first + 1] += 1
        self._begun[last] -= 1

    def means(self) -> list[float]:
        covering, found = 0, []
        for number, partly_ns in enumerate(self._partly_ns):
            covering += self._begun[number]
            length_ns = self._edges_ns[number + 1] - self._edges_ns[number]
            found.append(covering + (partly_ns / length_ns if length_ns else 0.0))
        return found


def power_of(run: RunDirectory, edges_ns: list[int]) -> tuple[list[float] | None, str | None]:
    """Mean watts of all counted boards between each edge and the next, or why there are none."""
    if not run.power.exists():
        return None, "power was not measured"
    try:
        counted = Recording.of(read_power(run.power)).counted
    except ImaxproxyError as error:
        return None, str(error)
    whole = window_energy(counted, edges_ns[0], edges_ns[-1])
    if whole.energy_j is None:
        return None, "the samples do not cover the run: " + ", ".join(map(str, whole.reasons))
    slices_j = EnergyCurve(whole, counted).slices_j(edges_ns)
    lengths_s = [(b - a) / NS_PER_S for a, b in pairwise(edges_ns)]
    return [joules / length if length else 0.0 for joules, length in zip(slices_j, lengths_s, strict=True)], None
