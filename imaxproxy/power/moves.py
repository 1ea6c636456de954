"""When a reading changed, seen by reads that come more often than it does."""

import statistics
from dataclasses import dataclass, field
from itertools import pairwise

from imaxproxy.clock import NS_PER_MS

_LEAST = 5


@dataclass(slots=True)
class Moves:
    """When a reading changed: its update period is the median of the gaps."""

    last: float | None = None
    times_ns: list[int] = field(default_factory=list)

    read_ns: int = 0
    doubt_ns: int = 0
    """How long before the last move's read the old value had been read."""

    def see(self, time_ns: int, value: float | None) -> None:
        if value is None:
            return
        if value != self.last:
            if self.last is not None:
                self.times_ns.append(time_ns)
                self.doubt_ns = time_ns - self.read_ns
            self.last = value
        self.read_ns = time_ns

    def period_ms(self) -> float | None:
        """None for fewer than five moves: nobody can tell."""
        times_ns = self.times_ns
        if len(times_ns) < _LEAST:
            return None
        return statistics.median(b - a for a, b in pairwise(times_ns)) / NS_PER_MS

    @property
    def last_ns(self) -> int:
        """When it last moved: between the two reads around that."""
        return self.times_ns[-1] - self.doubt_ns // 2


def nominal_ms(period_ms: float) -> float:
    """A period that is a whole number of ms but for what reads let see of it (99.99) is that number: an H200's counter
    moved every 100.000 ms of the host's clock, to less than a millionth over 100 s."""
    whole = float(round(period_ms))
    return whole if whole and abs(period_ms - whole) <= 0.005 * whole else period_ms
