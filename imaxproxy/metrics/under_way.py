"""How many requests were under way when. In whole numbers, so that parts of a run add up exactly to the whole."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Grid:
    """A stretch of time in equal slices; they need not be whole nanoseconds long."""

    start_ns: int
    span_ns: int
    slices: int

    def levels(self, busy: Sequence[int]) -> list[float]:
        """The mean number under way in each slice. busy: as `UnderWay.busy` gives it, of all requests."""
        return [each / self.span_ns for each in busy]


class UnderWay:
    """From when to when each request was under way: 16 bytes a request. Mergeable."""

    def __init__(self) -> None:
        self._begun_ns = array("q")
        self._ended_ns = array("q")

    def add(self, begun_ns: int, ended_ns: int) -> None:
        """One request; it ends no earlier than it begins."""
        self._begun_ns.append(begun_ns)
        self._ended_ns.append(ended_ns)

    def merge(self, other: "UnderWay") -> None:
        self._begun_ns.extend(other._begun_ns)
        self._ended_ns.extend(other._ended_ns)

    def busy(self, grid: Grid) -> list[int]:
        """The time that requests were under way in each slice, in `grid.slices` parts of a nanosecond.

        None may have begun before the grid. Two parts of a run have the sum of what each has.
        """
        span, slices, start_ns = grid.span_ns, grid.slices, grid.start_ns
        busy = [0] * slices
        steps = [0] * (slices + 1)  # whole slices that lie between a request's first and last
        for begun_ns, ended_ns in zip(self._begun_ns, self._ended_ns, strict=True):
            from_at, to_at = (begun_ns - start_ns) * slices, min(ended_ns - start_ns, span) * slices
            first, last = min(from_at // span, slices - 1), min(to_at // span, slices - 1)
            if first == last:
                busy[first] += to_at - from_at
                continue
            busy[first] += (first + 1) * span - from_at
            busy[last] += to_at - last * span
            steps[first + 1] += 1
            steps[last] -= 1
        return [part + span * between for part, between in zip(busy, accumulate(steps), strict=False)]
