"""A smooth line through measured points that invents no hill and no valley: Steffen's monotone cubic."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise


class Curve:
    """Interpolates between points, never beyond them.

    M. Steffen, "A simple method for monotonic interpolation in one dimension", Astronomy and Astrophysics 239 (1990)
    443; the same as d3's curveMonotoneX, with which InferenceX draws and reads its frontiers.
    """

    def __init__(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        """xs: rising, no two equal; ys: one for each. One point is a curve of that point alone.

        Raises ValueError for lengths that differ, no point, or xs that do not rise.
        """
        if len(xs) != len(ys) or not xs:
            raise ValueError(f"{len(xs)} x for {len(ys)} y: a curve has a y for each x, and one point at least")
        if any(after <= before for before, after in pairwise(xs)):
            raise ValueError("the x of a curve rise: no two are equal")
        self._xs, self._ys = list(xs), list(ys)
        self._slopes = _slopes(self._xs, self._ys)

    @property
    def least(self) -> float:
        return self._xs[0]

    @property
    def most(self) -> float:
        return self._xs[-1]

    def at(self, x: float) -> float | None:
        """y at x; None outside of the points: nothing was measured there."""
        xs, ys = self._xs, self._ys
        if not xs[0] <= x <= xs[-1]:
            return None
        left = min(bisect_right(xs, x) - 1, len(xs) - 2)
        if left < 0:  # one point
            return ys[0]
        width, t = xs[left + 1] - xs[left], (x - xs[left]) / (xs[left + 1] - xs[left])
        s0, s1 = self._slopes[left] * width, self._slopes[left + 1] * width
        rise = ys[left + 1] - ys[left]
        return ys[left] + t * (s0 + t * (3 * rise - 2 * s0 - s1 + t * (s0 + s1 - 2 * rise)))


def _slopes(xs: list[float], ys: list[float]) -> list[float]:
    """Of the curve at each point: Steffen's eq. 11 inside, at both ends what makes the second derivative there fit."""
    if len(xs) == 1:
        return [0.0]
    widths = [after - before for before, after in pairwise(xs)]
    secants = [(after - before) / width for (before, after), width in zip(pairwise(ys), widths, strict=True)]
    if len(xs) == 2:
        return [secants[0], secants[0]]
    inner = [
        _inner(before, after, wide, next_wide)
        for (before, after), (wide, next_wide) in zip(pairwise(secants), pairwise(widths), strict=True)
    ]
    return [(3 * secants[0] - inner[0]) / 2, *inner, (3 * secants[-1] - inner[-1]) / 2]


def _inner(before: float, after: float, wide: float, next_wide: float) -> float:
    parabola = (before * next_wide + after * wide) / (wide + next_wide)
    return (_sign(before) + _sign(after)) * min(abs(before), abs(after), abs(parabola) / 2)


def _sign(value: float) -> float:
    return (value > 0) - (value < 0)
