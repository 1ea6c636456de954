"""The Pareto frontier: the operating points that no other beats in both of two metrics, and what lies between."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from imaxproxy.economics.curve import Curve
from imaxproxy.metrics import Interval


@dataclass(frozen=True, slots=True)
class Axis:
    """One metric: what it is called, and which way is better."""

    name: str
    unit: str
    higher_is_better: bool = True
    is_inverse: bool = False
    """It is something divided by throughput (USD or joules a token). Between points its inverse is interpolated, which
    is throughput again: a spline through costs themselves is off by 163 % on the mean, this by 42 % (InferenceX,
    docs/tco-calculator.md, leaving one point out)."""

    def better(self, a: float, b: float) -> bool:
        return a > b if self.higher_is_better else a < b


@dataclass(frozen=True, slots=True)
class Spot:
    """One operating point on two axes: its mean over repeats, with the mean's 95 % interval where there are several."""

    x: Interval
    y: Interval
    label: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A y between points, with the interval that repeats give it; None where some point beside it was played once."""

    y: float
    low: float | None = None
    high: float | None = None


class Frontier:
    """The best points of one machine, and the curve through them."""

    def __init__(self, x_axis: Axis, y_axis: Axis, spots: Iterable[Spot]) -> None:
        """Raises ValueError without a spot, or for a y of 0 or less on an axis that is an inverse."""
        self.x_axis, self.y_axis = x_axis, y_axis
        self.spots, self.dominated = _split(list(spots), x_axis, y_axis)
        if not self.spots:
            raise ValueError("a frontier needs a point")
        if y_axis.is_inverse and any(spot.y.mean <= 0 for spot in self.spots):
            raise ValueError(f"{y_axis.name} is above 0")
        xs = [spot.x.mean for spot in self.spots]
        self._middle = Curve(xs, [self._drawn(spot.y.mean) for spot in self.spots])
        self._low, self._high = self._bounds(xs, "low"), self._bounds(xs, "high")

    @property
    def reach(self) -> tuple[float, float]:
        """The least and the most x that were measured."""
        return self._middle.least, self._middle.most

    def at(self, x: float) -> Estimate | None:
        """y at x by Steffen's curve, never below 0; None outside of what was measured: there is no extrapolation.

        Its interval comes from the same curve through the points' lower and upper bounds; the error of x is not in it.
        """
        middle = self._middle.at(x)
        if middle is None:
            return None
        y = self._read(middle)
        if self._low is None or self._high is None:
            return Estimate(y)
        low, high = self._low.at(x), self._high.at(x)
        assert low is not None  # all three curves have the same x
        assert high is not None
        return Estimate(y, self._read(low), self._read(high))

    def _bounds(self, xs: list[float], side: str) -> Curve | None:
        """None where a point has no interval, or one that reaches to where its inverse ends."""
        ys = [getattr(spot.y, side) for spot in self.spots]
        if any(y is None or (self.y_axis.is_inverse and y <= 0) for y in ys):
            return None
        return Curve(xs, [self._drawn(y) for y in ys])

    def _drawn(self, y: float) -> float:
        return 1 / y if self.y_axis.is_inverse else y

    def _read(self, value: float) -> float:
        return 1 / value if self.y_axis.is_inverse else max(value, 0.0)


def _split(spots: list[Spot], x_axis: Axis, y_axis: Axis) -> tuple[list[Spot], list[Spot]]:
    """Those on the frontier by rising x, and the rest. Of equals the first is kept."""
    best_first = sorted(
        spots,
        key=lambda spot: (
            -spot.x.mean if x_axis.higher_is_better else spot.x.mean,
            -spot.y.mean if y_axis.higher_is_better else spot.y.mean,
        ),
    )
    kept: list[Spot] = []
    for spot in best_first:
        if not kept or y_axis.better(spot.y.mean, kept[-1].y.mean):
            kept.append(spot)
    held = set(map(id, kept))
    return sorted(kept, key=lambda spot: spot.x.mean), [spot for spot in spots if id(spot) not in held]


@dataclass(frozen=True, slots=True)
class IsoRow:
    """All machines at one x."""

    x: float
    at: dict[str, Estimate | None]
    """By machine; None: it was not measured that far."""
    advantage: dict[str, Estimate | None]
    """How many times as good as the first machine: above 1 is better, whichever way the metric runs."""


def iso_table(frontiers: Mapping[str, Frontier], xs: Sequence[float]) -> list[IsoRow]:
    """Each machine's y at the same x. Raises ValueError for frontiers of different axes."""
    if len({(frontier.x_axis, frontier.y_axis) for frontier in frontiers.values()}) > 1:
        raise ValueError("machines are compared on the same two axes")
    rows = []
    for x in xs:
        found = {name: frontier.at(x) for name, frontier in frontiers.items()}
        first = next(iter(found.values()), None)
        higher = next(iter(frontiers.values())).y_axis.higher_is_better if frontiers else True
        rows.append(IsoRow(x, found, {name: _advantage(y, first, higher) for name, y in found.items()}))
    return rows


def _advantage(y: Estimate | None, base: Estimate | None, higher_is_better: bool) -> Estimate | None:
    """y / base, or base / y where less is better. Its bounds are the worst of both intervals: on the safe side."""
    if y is None or base is None:
        return None
    above, below = (y, base) if higher_is_better else (base, y)
    if not below.y:
        return None
    if y is base:
        return Estimate(1.0)
    low = _ratio(above.low, below.high)
    high = _ratio(above.high, below.low)
    return Estimate(above.y / below.y, low, high)


def _ratio(a: float | None, b: float | None) -> float | None:
    return None if a is None or not b else a / b
