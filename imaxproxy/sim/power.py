"""Board power of a step, and the energy counter: watts by use, joules exact to the step, samples like NVML's."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import orjson

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.economics import Gpu
from imaxproxy.sim.constants import load_power
from imaxproxy.sim.step import Use

SCHEMA = "imaxproxy.power/1"
SAMPLE_NS = 100 * NS_PER_MS
"""As often as NVML's counters of these boards move."""


class PowerModel:
    """P = TDP * (a + (b - a) * (1 - exp(-(m*u_m + c*u_c)))) while anything runs, idle watts else (sim.md 3.6).

    u_m and u_c: shares of peak HBM bandwidth and of peak arithmetic. Fitted to board power that ML.ENERGY measured,
    9 % (H100) and 13 % (B200) mean error; other GPUs take the joint constants, which nobody has checked.
    """

    def __init__(self, gpu: Gpu) -> None:
        self.constants = load_power(gpu.kind, gpu.tdp_w)
        self._tdp_w = gpu.tdp_w
        self.idle_w = self.constants.idle_w

    def watts(self, use: Use) -> float:
        """Of one board."""
        fit = self.constants
        share = 1 - math.exp(-(fit.m * use.memory + fit.c * use.compute))
        return self._tdp_w * (fit.a + (fit.b - fit.a) * share)


@dataclass(frozen=True, slots=True)
class PowerSample:
    """One board at one time. Simulated, always."""

    time_ns: int
    device: int
    power_w: float
    energy_j: float
    """Since the engine began."""

    def as_dict(self) -> dict[str, Any]:
        """As a line of `power.jsonl`."""
        return {
            "schema": SCHEMA,
            "simulated": True,
            "source": "sim",
            "boundary": "board",
            "time_ns": self.time_ns,
            "device": f"sim-gpu-{self.device}",
            "power_w": round(self.power_w, 3),
            "energy_j": round(self.energy_j, 6),
        }


class EnergyCounter:
    """The counter of one worker's boards, which all draw alike: joules up to now, and a sample every so often.

    Steps are told in their order; between them the boards idle. Energy is the exact sum of watts times seconds of each
    step, whatever the sampling; a sample within a step has the step's watts and its part of the energy. time_scale:
    how many times faster the clock runs than what is simulated.
    """

    def __init__(
        self,
        first_device: int,
        gpus: int,
        idle_w: float,
        start_ns: int,
        sample_ns: int | None = SAMPLE_NS,
        time_scale: float = 1.0,
    ) -> None:
        self._devices = range(first_device, first_device + gpus)
        self._idle_w = idle_w
        self._at_ns = start_ns
        self._sample_ns = sample_ns
        self._joules_per_w_ns = time_scale / NS_PER_S
        self._next_sample_ns = start_ns
        self.energy_j = 0.0
        """Of one board."""
        self.power_w = idle_w
        self.samples: list[PowerSample] = []
        """Not yet taken away."""

    @property
    def total_j(self) -> float:
        """Of all boards."""
        return self.energy_j * len(self._devices)

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
        return [PowerSample(self._at_ns, device, self.power_w, self.energy_j) for device in self._devices]

    def take(self) -> list[PowerSample]:
        """The samples since the last call."""
        taken, self.samples = self.samples, []
        return taken

    def _spend(self, until_ns: int, power_w: float) -> None:
        for sample_ns in self._sample_times(until_ns):
            energy_j = self.energy_j + power_w * (sample_ns - self._at_ns) * self._joules_per_w_ns
            self.samples += [PowerSample(sample_ns, device, power_w, energy_j) for device in self._devices]
        self.energy_j += power_w * (until_ns - self._at_ns) * self._joules_per_w_ns
        self._at_ns, self.power_w = until_ns, power_w

    def _sample_times(self, until_ns: int) -> Iterator[int]:
        while self._sample_ns is not None and self._next_sample_ns < until_ns:
            yield self._next_sample_ns
            self._next_sample_ns += self._sample_ns


class PowerLog:
    """`power.jsonl`: a line a board and sample."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def add(self, sample: PowerSample) -> None:
        """Append one."""
        self._file.write(orjson.dumps(sample.as_dict(), option=orjson.OPT_APPEND_NEWLINE))

    def flush(self) -> None:
        """Through to the file."""
        self._file.flush()

    def close(self) -> None:
        """Write everything and close the file."""
        self._file.close()
