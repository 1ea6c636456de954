"""Gaps between neighbouring events of many streams, on their way into LogBuckets."""

from array import array
from collections.abc import Callable
from operator import sub

from imaxproxy.metrics.log_buckets import BOUNDS, LogBuckets

CountGaps = Callable[["array[int]", int, int, "array[int]", "array[int]"], None]
"""(times_ns, first, last, bounds, counts): add each gap before the events `first` up to, not including, `last` to the
count of its place among the bounds, where LogBuckets would have it."""
_BOUNDS = array("q", BOUNDS)


class Gaps:
    """Of 80,000 gaps a look Python counts each in 0.12 us, C in 0.02: whoever has C hands it in."""

    def __init__(self, count: CountGaps | None = None) -> None:
        self._count = count
        self._counts = array("Q", bytes(8 * (len(BOUNDS) + 1)))
        self._values_ns: list[int] = []
        self._sum_ns = 0

    def add(self, times_ns: "array[int]", first: int, last: int) -> None:
        """The gaps before the events from `first`, 1 at least, up to, not including, `last`."""
        if last <= first:
            return
        self._sum_ns += times_ns[last - 1] - times_ns[first - 1]
        if self._count is not None:
            self._count(times_ns, first, last, _BOUNDS, self._counts)
        else:
            self._values_ns.extend(map(sub, times_ns[first:last], times_ns[first - 1 : last - 1]))

    def take_into(self, buckets: LogBuckets) -> None:
        """Hand over all that came since the last time."""
        if self._count is None:
            buckets.add_all(self._values_ns, self._sum_ns)
        elif self._sum_ns or any(self._counts):
            buckets.merge(LogBuckets({place: times for place, times in enumerate(self._counts) if times}, self._sum_ns))
        self.forget()

    def forget(self) -> None:
        self._values_ns, self._sum_ns = [], 0
        self._counts = array("Q", bytes(8 * (len(BOUNDS) + 1)))
