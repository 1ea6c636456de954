"""What some of a run's exchanges add up to: of one journal, of a piece of it, of a machine's journals, or of all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imaxproxy.metrics import Dimensions, DimensionValues, Exchange, HealthSample, MeterHealth, Objective, Windows
from imaxproxy.power import TickGrid, TokenTicks
from imaxproxy.runs.engine_view import TimingView
from imaxproxy.runs.prompt_lengths import PromptLengths
from imaxproxy.runs.share_sums import ShareSums
from imaxproxy.runs.timeslices import Timeslices
from imaxproxy.runs.window_tally import WindowTallies, WindowTally


@dataclass(frozen=True, slots=True)
class Counting:
    """How exchanges are counted: whatever sums are to be merged have to agree in it."""

    windows: Windows
    values: DimensionValues
    objectives: tuple[Objective, ...] = ()
    slice_s: float | None = None
    by_share: bool = False
    """The run was played in shares, which are looked at one by one."""
    ticks: TickGrid | None = None
    """Where energy is to be shared out."""


class PartialSums:
    """Takes exchanges in any order, after `begin` has named the worker who journalled them, and the meter's health.

    Mergeable, in any order: all of it is whole numbers, or kept until it can be added exactly, so that the sum of any
    parts is, to the last bit, what one process makes of all. Its size does not grow with the number of exchanges but
    for 16 bytes for each whose engine tells its own times.
    """

    def __init__(self, counting: Counting) -> None:
        windows = counting.windows
        self._counting = counting
        self._tallies = WindowTallies(windows, counting.objectives)
        self.dimensions = Dimensions(values=counting.values)
        self.lengths, self.timing = PromptLengths(), TimingView()
        self.slices = None if counting.slice_s is None else Timeslices(windows.whole, counting.slice_s)
        self.shares = ShareSums() if counting.by_share else None
        self.ticks = None if counting.ticks is None else TokenTicks(counting.ticks)
        self.health, self.steady_health = MeterHealth(), MeterHealth()
        self._parts: list[Any] = [self._tallies, self.dimensions, self.lengths, self.timing]
        self._parts += [part for part in (self.slices, self.shares, self.ticks) if part is not None]

    def begin(self, worker: int) -> None:
        """What comes next is this worker's."""
        if self.shares is not None:
            self.shares.begin(worker)

    def add(self, exchange: Exchange) -> None:
        for part in self._parts:
            part.add(exchange)

    def add_health(self, sample: HealthSample) -> None:
        self.health.add(sample)
        steady = self._counting.windows.steady
        if steady is not None and sample.lies_in(steady):
            self.steady_health.add(sample)

    def merge(self, other: "PartialSums") -> None:
        for mine, theirs in zip(self._parts, other._parts, strict=True):
            mine.merge(theirs)
        self.health.merge(other.health)
        self.steady_health.merge(other.steady_health)

    def tallies(self) -> Mapping[str, WindowTally]:
        """`whole`, and those of `warmup`, `steady` and `drain` that the run has. After the last exchange."""
        return self._tallies.close()
