"""A distribution's buckets on a few cells of one line, coloured by rank."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, log, log10

from imaxproxy.live.screen import theme
from imaxproxy.live.snapshot import Buckets

_A_DECADE, _FEW = 20, 9
_ROUNDING = 1 + 1e-9


@dataclass(frozen=True, slots=True)
class Cells:
    """Counts of equal spans on a logarithmic axis from `least` to `most`, and each cell's colour.

    The good end of the axis is at most a decade from the median: what lies beyond is in the last cell, and `clips`
    tells so. Events that came together would else take half of it. The bad end is shown to its last value.
    """

    counts: list[float]
    styles: list[str]
    least: float
    most: float
    clips: bool


def cells_of(buckets: Buckets, width: int, *, high_is_good: bool) -> Cells | None:
    """None where nothing was counted. A bucket's count is spread evenly over the cells that its span covers."""
    held = [index for index, (upper, count) in enumerate(buckets) if count > 0 and upper > 0]
    if not held or width < 1:
        return None
    ratio = _ratio(buckets)
    least, most = buckets[held[0]][0] / ratio, buckets[held[-1]][0]
    median, whole = percentile(buckets, 0.5) or most, (least, most)
    if high_is_good:
        most = min(most, median * 10)
    else:
        least = max(least, median / 10)
    counts = [0.0] * width
    a_cell = log(most / least) / width
    for index in held:
        upper, count = buckets[index]
        _spread(counts, log(upper / ratio / least) / a_cell, log(upper / least) / a_cell, count)
    return Cells(counts, _styles(counts, high_is_good=high_is_good), least, most, (least, most) != whole)


def percentile(buckets: Buckets, rank: float) -> float | None:
    """The value at a rank (0 to 1), between a bucket's edges in proportion on the logarithmic axis."""
    total = sum(count for _, count in buckets)
    if not total:
        return None
    wanted, seen, ratio = rank * total, 0.0, _ratio(buckets)
    for upper, count in buckets:
        if count and seen + count >= wanted:
            return float(upper / ratio * ratio ** ((wanted - seen) / count))
        seen += count
    return buckets[-1][0]


def minus(later: Buckets, earlier: Buckets) -> Buckets:
    """What was counted between two moments. The later edges are among the earlier ones: a grid only grows coarser."""
    found = []
    before = list(earlier)
    for upper, count in later:
        gone = 0
        while before and before[0][0] <= upper * _ROUNDING:
            gone += before.pop(0)[1]
        found.append((upper, max(count - gone, 0)))
    return tuple(found)


def _ratio(buckets: Buckets) -> float:
    """Of neighbouring edges. Empty buckets are not listed, so it is read off the edges that are.

    The meter's finest grid has 20 edges a decade; a coarser one is told only where more than 40 would be listed, so few
    buckets are of the finest.
    """
    if len(buckets) < _FEW:
        return 10 ** (1 / _A_DECADE)
    steps = [round(log10(upper) * _A_DECADE) for upper, _ in buckets]
    return float(10 ** (max(gcd(*(step - steps[0] for step in steps)), 1) / _A_DECADE))


def _spread(counts: list[float], begin: float, end: float, count: int) -> None:
    """A bucket's count over the cells that it covers; what lies beyond an end is in the cell there."""
    width = end - begin
    counts[0] += count * max(min(end, 0.0) - min(begin, 0.0), 0.0) / width
    last = float(len(counts))
    counts[-1] += count * max(max(end, last) - max(begin, last), 0.0) / width
    for cell in range(max(int(begin), 0), min(int(end) + 1, len(counts))):
        overlap = min(end, cell + 1) - max(begin, cell)
        if overlap > 0:
            counts[cell] += count * overlap / width


def _styles(counts: Sequence[float], *, high_is_good: bool) -> list[str]:
    """By the rank of each cell's middle; of a rate the low end is the bad one."""
    total, seen, styles = sum(counts), 0.0, []
    for count in counts:
        rank = (seen + count / 2) / total
        seen += count
        rank = 1 - rank if high_is_good else rank
        styles.append(next(style for below, style in theme.ZONES if rank <= below + 1e-9))
    return styles
