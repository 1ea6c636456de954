"""Whose energy it was: each tick's joules, shared by the tokens that were made in it."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from imaxproxy.metrics import Exchange
from imaxproxy.power.curve import EnergyCurve
from imaxproxy.power.ticks import PER_TOKEN, TickGrid, TokenTicks

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


@dataclass(frozen=True, slots=True)
class TickPrices:
    """What a token, and a request's presence, cost in each tick: all it takes to say a request's share."""

    grid: TickGrid
    prefill_weight: float
    j_per_token: "array[float]"
    j_per_presence: "array[float]"
    """Of a request that is in flight all the tick."""

    def share_of(self, exchange: Exchange) -> RequestEnergy | None:
        """One request's; None for what never reached an engine."""
        work = self.grid.work_of(exchange)
        if work is None:
            return None
        return RequestEnergy(
            prefill_j=self.prefill_weight * _dot(work.prefill, PER_TOKEN, self.j_per_token),
            reasoning_j=_dot(work.reasoning, PER_TOKEN, self.j_per_token),
            answer_j=_dot(work.answer, PER_TOKEN, self.j_per_token),
            waiting_j=_dot(work.present_ns, self.grid.tick_ns, self.j_per_presence),
        )


class Sharer:
    """Shares the energy of a run among its requests, after all of them have been added to the ticks.

        e_r = sum over ticks of dE * (output_r + w * prefill_r) / (all output + w * all prefill)     (energy.md 2, M4)

    A tick in which nothing was made goes to the requests in flight, by their time in it; one without any is nobody's:
    `unattributed_j`. Shares of all requests and that add up to the window's energy.
    """

    def __init__(self, ticks: TokenTicks, curve: EnergyCurve, prefill_weight: float = DEFAULT_PREFILL_WEIGHT) -> None:
        """prefill_weight: w, the energy of a prompt token in output tokens."""
        self._grid, self.prefill_weight = ticks.grid, prefill_weight
        prefill, output, present = ticks.prefill, ticks.output, ticks.present
        self._reasoning, self._answer = ticks.reasoning, ticks.answer
        energy_j = curve.slices_j(ticks.grid.edges_ns)
        self.total_j = sum(energy_j)
        self.unattributed_j = 0.0
        j_per_token, j_per_presence = (array("d", bytes(8 * len(energy_j))) for _ in range(2))
        for tick, tick_j in enumerate(energy_j):
            weight = output[tick] + prefill_weight * prefill[tick]
            if weight > 0:
                j_per_token[tick] = tick_j / weight
            elif present[tick] > 0:
                j_per_presence[tick] = tick_j / present[tick]
            else:
                self.unattributed_j += tick_j
        self.prices = TickPrices(ticks.grid, prefill_weight, j_per_token, j_per_presence)
        self.prefill_j = prefill_weight * _sum(prefill, j_per_token)
        self.reasoning_j, self.answer_j = _sum(self._reasoning, j_per_token), _sum(self._answer, j_per_token)
        waiting_j = _sum(present, j_per_presence)
        self.attributed_j = self.prefill_j + self.reasoning_j + self.answer_j + waiting_j

    def decoding(self, begin_ns: int, end_ns: int) -> tuple[float, float, float, float]:
        """Reasoning joules and tokens, answer joules and tokens, of the ticks whose middle lies in a stretch."""
        grid = self._grid
        first = max(round((begin_ns - grid.begin_ns) / grid.tick_ns), 0)
        last = max(min(round((end_ns - grid.begin_ns) / grid.tick_ns), grid.count), first)
        thought, said = self._reasoning[first:last], self._answer[first:last]
        price = self.prices.j_per_token[first:last]
        return _sum(thought, price), sum(thought), _sum(said, price), sum(said)


def _sum(amounts: Iterable[float], price: Iterable[float]) -> float:
    return sum(amount * each for amount, each in zip(amounts, price, strict=True))


def _dot(amounts: dict[int, int], unit: int, price: Sequence[float]) -> float:
    return sum(amount / unit * price[tick] for tick, amount in amounts.items())
