"""A board whose power is known at every time, and a sensor of it that latches as NVML's does: the truth of tests."""

import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.power import Boundary, Device, PowerLine, PowerSample
from imaxproxy.power.series import Recording

DEVICE = Device("GPU-0", "nvml", Boundary.BOARD, counted_by="only_device", average_window_ms=1000.0, limit_w=700.0)


@dataclass
class Board:
    """Piecewise constant power: (from when, ns; watts), rising; the last one holds."""

    steps: list[tuple[int, float]]

    def __post_init__(self) -> None:
        self._starts = [at for at, _ in self.steps]
        lengths = [b - a for a, b in zip(self._starts, self._starts[1:], strict=False)]
        spent = (watts * length / NS_PER_S for (_, watts), length in zip(self.steps, lengths, strict=False))
        self._energy_j = list(accumulate(spent, initial=0.0))

    def energy_j(self, at_ns: int) -> float:
        """Since the first step, exactly."""
        step = max(bisect_right(self._starts, at_ns) - 1, 0)
        return self._energy_j[step] + self.steps[step][1] * (at_ns - self._starts[step]) / NS_PER_S

    def between_j(self, begin_ns: int, end_ns: int) -> float:
        return self.energy_j(end_ns) - self.energy_j(begin_ns)


@dataclass
class Sensor:
    """Latches counter, instant and average power every `latch_ms`, whenever it is read."""

    board: Board
    latch_ms: float = 100.0
    phase_ms: float = 13.0
    instant_ms: float = 25.0
    start_mj: int = 5_000_000
    gain: float = 1.0
    """Of the watts only."""

    def sample(self, at_ns: int) -> PowerSample:
        latch_ns, phase_ns = round(self.latch_ms * NS_PER_MS), round(self.phase_ms * NS_PER_MS)
        latched_ns = (at_ns - phase_ns) // latch_ns * latch_ns + phase_ns
        instant_w = self._mean_w(latched_ns, self.instant_ms)
        average_w = self._mean_w(latched_ns, 1000.0)
        energy_mj = self.start_mj + int(self.board.energy_j(latched_ns) * 1000)
        return PowerSample(at_ns, DEVICE.device, instant_w * self.gain, average_w * self.gain, energy_mj)

    def _mean_w(self, end_ns: int, window_ms: float) -> float:
        begin_ns = end_ns - round(window_ms * NS_PER_MS)
        return self.board.between_j(begin_ns, end_ns) / (window_ms / 1000)


@dataclass
class Poller:
    """Reads a sensor as the sampler does: 5 ms for the calibration, then its tick, each a little late."""

    sensor: Sensor
    tick_ms: float = 50.0
    seed: int = 0
    calibrate_s: float = 2.0
    late_ms: float = 1.0
    device: Device = field(default_factory=lambda: replace(DEVICE, counter_update_ms=100.0))

    def lines(self, begin_ns: int, end_ns: int) -> Iterator[PowerLine]:
        rng, at_ns = random.Random(self.seed), begin_ns
        yield self.device
        while at_ns < end_ns:
            yield self.sensor.sample(at_ns + round(rng.random() * self.late_ms * NS_PER_MS))
            fine = at_ns < begin_ns + self.calibrate_s * NS_PER_S
            at_ns += round((5.0 if fine else self.tick_ms) * NS_PER_MS)

    def recording(self, begin_s: float, end_s: float) -> Recording:
        return Recording.of(self.lines(round(begin_s * NS_PER_S), round(end_s * NS_PER_S)))


def decode_board(rng: random.Random, begin_s: float, end_s: float, until_s: float) -> Board:
    """Idle, then steps as of decoding with a ripple inside each and prefills between, then idle."""
    at_ns, steps = 0, [(0, 115.0)]
    at_ns = round(begin_s * NS_PER_S)
    while at_ns < end_s * NS_PER_S:
        if rng.random() < 0.02:
            steps.append((at_ns, 620.0))
            at_ns += round(rng.uniform(50, 150) * NS_PER_MS)
            continue
        step_ns = round(rng.gauss(20, 0.6) * NS_PER_MS)
        steps += [(at_ns, 500.0), (at_ns + step_ns * 4 // 5, 380.0)]
        at_ns += step_ns
    end_ns = round(end_s * NS_PER_S)
    steps = [step for step in steps if step[0] < end_ns]
    steps += [(end_ns, 130.0), (round(until_s * NS_PER_S), 115.0)]
    return Board([step for at, step in enumerate(steps) if at == 0 or step[0] > steps[at - 1][0]])
