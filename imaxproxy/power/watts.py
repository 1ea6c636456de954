"""Joules from watts that are read now and then: the second opinion on a counter, or the first where there is none."""

from array import array
from bisect import bisect_left, bisect_right

from imaxproxy.clock import NS_PER_S


class Watts:
    """One channel of one device: power as a function of time, straight between reads.

    Every read is kept, also one that says what the last one said: leaving those out would turn steps into ramps.
    lag_ns: how late the readings are; a mean over a second lags by half of it.
    """

    def __init__(self, lag_ns: int = 0) -> None:
        self._lag_ns = lag_ns
        self._times_ns = array("q")
        self._power_w = array("d")
        self._energy_j = array("d")
        """Up to each read, by trapezoids."""

    def __len__(self) -> int:
        return len(self._times_ns)

    def add(self, time_ns: int, power_w: float) -> None:
        """A read, later than all before."""
        time_ns -= self._lag_ns
        energy_j = 0.0
        if self._times_ns:
            length_s = (time_ns - self._times_ns[-1]) / NS_PER_S
            energy_j = self._energy_j[-1] + (power_w + self._power_w[-1]) / 2 * length_s
        self._times_ns.append(time_ns)
        self._power_w.append(power_w)
        self._energy_j.append(energy_j)

    def between_j(self, begin_ns: int, end_ns: int) -> float | None:
        """Energy of a stretch; None when reads do not bracket it."""
        begin_j, end_j = self.energy_at_j(begin_ns), self.energy_at_j(end_ns)
        return None if begin_j is None or end_j is None else end_j - begin_j

    def energy_at_j(self, time_ns: int) -> float | None:
        """Joules since the first read; None outside of what was read."""
        times_ns = self._times_ns
        if not times_ns or not times_ns[0] <= time_ns <= times_ns[-1]:
            return None
        at = max(bisect_left(times_ns, time_ns) - 1, 0)
        if at + 1 == len(times_ns):
            return self._energy_j[at]
        into_s = (time_ns - times_ns[at]) / NS_PER_S
        length_s = (times_ns[at + 1] - times_ns[at]) / NS_PER_S
        slope = (self._power_w[at + 1] - self._power_w[at]) / length_s if length_s else 0.0
        return self._energy_j[at] + (self._power_w[at] + slope * into_s / 2) * into_s

    def within(self, begin_ns: int, end_ns: int) -> "array[float]":
        """The reads of a stretch, W."""
        return self.reads(begin_ns, end_ns)[1]

    def reads(self, begin_ns: int, end_ns: int) -> "tuple[array[int], array[float]]":
        """When, and what, W."""
        part = slice(bisect_left(self._times_ns, begin_ns), bisect_right(self._times_ns, end_ns))
        return self._times_ns[part], self._power_w[part]
