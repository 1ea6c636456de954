"""Energy of all counted devices as one function of time."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from imaxproxy.power.counter import Counter
from imaxproxy.power.series import Series
from imaxproxy.power.watts import Watts
from imaxproxy.power.window import BY_AVERAGE, BY_INSTANT, COUNTER, WindowEnergy


class EnergyCurve:
    """Joules since the beginning of a window whose energy is known; it ends at exactly that energy."""

    def __init__(self, window: WindowEnergy, series: Sequence[Series]) -> None:
        """series: those that the window's energy was made of, in the same order."""
        self.begin_ns, self.end_ns = window.begin_ns, window.end_ns
        self._parts = [
            _reader(each, str(found.method), window.begin_ns)
            for each, found in zip(series, window.devices, strict=True)
        ]

    def at_j(self, time_ns: int) -> float:
        """Up to a time of the window; before and after it, up to its ends."""
        time_ns = min(max(time_ns, self.begin_ns), self.end_ns)
        return sum(part(time_ns) for part in self._parts)

    def between_j(self, begin_ns: int, end_ns: int) -> float:
        """Within a part of the window."""
        return self.at_j(end_ns) - self.at_j(begin_ns)

    def slices_j(self, edges_ns: Sequence[int]) -> list[float]:
        """Between each edge and the next."""
        at_j = [self.at_j(edge_ns) for edge_ns in edges_ns]
        return [b - a for a, b in pairwise(at_j)]


def _reader(series: Series, method: str, begin_ns: int) -> Callable[[int], float]:
    channels: dict[str, Counter | Watts] = {
        COUNTER: series.counter,
        BY_AVERAGE: series.average,
        BY_INSTANT: series.instant,
    }
    channel = channels[method]
    scale = 1.0 if method == COUNTER else series.device.time_scale
    begin_j = channel.energy_at_j(begin_ns) or 0.0
    return lambda time_ns: ((channel.energy_at_j(time_ns) or 0.0) - begin_j) * scale
