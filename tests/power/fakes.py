"""Sources and sensors whose truth is known."""

from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace

from imaxproxy.clock import NS_PER_MS, VirtualClock
from imaxproxy.power import Boundary, Device, PowerSample, SourceError, SourceLostError
from tests.power.sensor import DEVICE, Sensor

Watts = Callable[[int], float]


@dataclass
class FakeSource:
    """Boards that draw 100 W, with a counter that latches; each call costs a little of the clock's time."""

    clock: VirtualClock
    gpus: int = 1
    latch_ms: float = 100.0
    call_ns: int = 10_000
    tick_ms: float | None = None
    name: str = "fake"
    lost: bool = False
    """It answers no more, and cannot be opened."""
    silent: set[str] = field(default_factory=set)
    """Devices that do not answer."""
    limit_w: float = 700.0
    computing: dict[str, list[int]] = field(default_factory=dict)
    opened: int = 0
    counter_cpu_s: float = 0.0
    """What a read of the counter costs."""
    cpu_s: float = 0.0
    settle_s: float = 0.0

    def open(self) -> "FakeSource":
        if self.lost:
            raise SourceError("fake: still gone")
        self.opened += 1
        return self

    def devices(self) -> list[Device]:
        self._answer()
        return [
            Device(f"GPU-{at}", self.name, Boundary.BOARD, self.clock(), index=at, limit_w=self.limit_w)
            for at in range(self.gpus)
        ]

    def sample(self, counters: Container[str] | None = None) -> list[PowerSample]:
        self._answer()
        latch_ns = round(self.latch_ms * NS_PER_MS)
        mj = self.clock() // latch_ns * latch_ns / 1e9 * 100 * 1000
        names = [f"GPU-{at}" for at in range(self.gpus)]
        read = [counters is None or name in counters for name in names]
        self.cpu_s += self.counter_cpu_s * sum(read)
        every = [
            PowerSample(self.clock(), name, 100.0, None, mj if is_read else None)
            for name, is_read in zip(names, read, strict=True)
        ]
        answered = [sample for sample in every if sample.device not in self.silent]
        if not answered:
            raise SourceLostError("no board answers")
        return answered

    def processes(self) -> dict[str, list[int]]:
        return self.computing

    def close(self) -> None:
        pass

    def _answer(self) -> None:
        self.clock.advance(self.call_ns)
        if self.lost:
            raise SourceLostError("driver unloaded")


@dataclass
class SensorSource:
    """A board with a sensor of known truth, whose counter is dear to read, as an H200's is."""

    clock: VirtualClock
    sensor: Sensor
    counter_cpu_s: float = 0.0033
    cpu_s: float = 0.0
    reads: int = 0
    name: str = "nvml"
    tick_ms: float | None = None
    settle_s: float = 0.0

    def open(self) -> "SensorSource":
        return self

    def devices(self) -> list[Device]:
        return [replace(DEVICE, time_ns=self.clock())]

    def sample(self, counters: Container[str] | None = None) -> list[PowerSample]:
        reads = counters is None or DEVICE.device in counters
        if reads:
            self.reads += 1
            self.cpu_s += self.counter_cpu_s
            self.clock.advance(round(self.counter_cpu_s * 1e9))
        sample = self.sensor.sample(self.clock())
        return [sample if reads else replace(sample, energy_mj=None)]

    def processes(self) -> dict[str, list[int]]:
        return {}

    def close(self) -> None:
        pass
