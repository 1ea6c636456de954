"""Board power of a step, and the energy counter: watts by use, joules exact to the step, samples like NVML's."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.economics import Gpu
from imaxproxy.power import Boundary, Device, PowerSample
from imaxproxy.sim.constants import load_power
from imaxproxy.sim.step import Use

SAMPLE_NS = 100 * NS_PER_MS
"""As often as NVML's counters of these boards move."""
MJ_PER_J = 1000.0
_DEVICE = "sim-gpu-"


class PowerModel:
    """P = TDP * (a + (b - a) * (1 - exp(-(m*u_m + c*u_c)))) while anything runs, idle watts else (sim.md 3.6).

    u_m and u_c: shares of peak HBM bandwidth and of peak arithmetic. Fitted to board power that ML.ENERGY measured,
    9 % (H100) and 13 % (B200) mean error; other GPUs take the joint constants, which nobody has checked.
    """

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self.constants = load_power(gpu.kind, gpu.tdp_w)
        self.idle_w = self.constants.idle_w

    def watts(self, use: Use) -> float:
        """Of one board."""
        fit = self.constants
        share = 1 - math.exp(-(fit.m * use.memory + fit.c * use.compute))
        return self.gpu.tdp_w * (fit.a + (fit.b - fit.a) * share)


@dataclass(frozen=True, slots=True)
class Boards:
    """The boards of one worker, which all draw alike: what `imaxproxy.power` calls devices, marked simulated."""

    first: int
    count: int
    model: PowerModel
    time_scale: float = 1.0
    """How many times faster the clock runs than what is simulated."""

    @property
    def names(self) -> list[str]:
        """Of the devices."""
        return [f"{_DEVICE}{number}" for number in range(self.first, self.first + self.count)]

    def devices(self, time_ns: int) -> list[Device]:
        """As they are said before their first sample."""
        return [
            Device(
                device=name,
                source="sim",
                boundary=Boundary.BOARD,
                time_ns=time_ns,
                index=self.first + number,
                name=self.model.gpu.name,
                counter_update_ms=0,
                limit_w=self.model.gpu.tdp_w,
                idle_w=self.model.idle_w,
                gain_error=self.model.constants.expected_error,
                counted_by="source",
                time_scale=self.time_scale,
                simulated=True,
            )
            for number, name in enumerate(self.names)
        ]


class EnergyCounter:
    """The counter of one worker's boards: joules up to now, and a sample every so often.

    Steps are told in their order; between them the boards idle. Energy is the exact sum of watts times seconds of each
    step, whatever the sampling; a sample within a step has the step's watts and its part of the energy.
    """

    def __init__(self, boards: Boards, start_ns: int, sample_ns: int | None = SAMPLE_NS) -> None:
        self.boards = boards
        self._idle_w = boards.model.idle_w
        self._at_ns = start_ns
        self._sample_ns = sample_ns
        self._joules_per_w_ns = boards.time_scale / NS_PER_S
        self._next_sample_ns = start_ns
        self.energy_j = 0.0
        """Of one board."""
        self.power_w = self._idle_w
        self.samples: list[PowerSample] = []
        """Not yet taken away."""

    @property
    def total_j(self) -> float:
        """Of all boards."""
        return self.energy_j * self.boards.count

    def step(self, start_ns: int, end_ns: int, power_w: float) -> None:
        """A step ran; before it, since the last one, the boards idled."""
        if start_ns > self._at_ns:
            self._spend(start_ns, self._idle_w)
        self._spend(end_ns, power_w)

    def idle_until(self, time_ns: int) -> None:
        """Nothing ran until now."""
        if time_ns > self._at_ns:
            self._spend(time_ns, self._idle_w)

    def reading(self) -> list[PowerSample]:
        """Each board as of the last step that was told."""
        return self._sampled(self._at_ns, self.power_w, self.energy_j)

    def take(self) -> list[PowerSample]:
        """The samples since the last call."""
        taken, self.samples = self.samples, []
        return taken

    def _spend(self, until_ns: int, power_w: float) -> None:
        for sample_ns in self._sample_times(until_ns):
            energy_j = self.energy_j + power_w * (sample_ns - self._at_ns) * self._joules_per_w_ns
            self.samples += self._sampled(sample_ns, power_w, energy_j)
        self.energy_j += power_w * (until_ns - self._at_ns) * self._joules_per_w_ns
        self._at_ns, self.power_w = until_ns, power_w

    def _sampled(self, time_ns: int, power_w: float, energy_j: float) -> list[PowerSample]:
        watts, millijoules = round(power_w, 3), round(energy_j * MJ_PER_J, 3)
        return [
            PowerSample(time_ns, name, power_w=watts, energy_mj=millijoules, simulated=True)
            for name in self.boards.names
        ]

    def _sample_times(self, until_ns: int) -> Iterator[int]:
        while self._sample_ns is not None and self._next_sample_ns < until_ns:
            yield self._next_sample_ns
            self._next_sample_ns += self._sample_ns
