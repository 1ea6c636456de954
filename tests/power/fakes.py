"""Sources and sensors whose truth is known."""

from collections.abc import Callable
from dataclasses import dataclass, field

from imaxproxy.clock import NS_PER_MS, VirtualClock
from imaxproxy.power import Boundary, Device, PowerSample, SourceError, SourceLostError

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

    def sample(self) -> list[PowerSample]:
        self._answer()
        latch_ns = round(self.latch_ms * NS_PER_MS)
        mj = self.clock() // latch_ns * latch_ns / 1e9 * 100 * 1000
        every = [PowerSample(self.clock(), f"GPU-{at}", 100.0, None, mj) for at in range(self.gpus)]
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
