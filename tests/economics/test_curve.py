from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imaxproxy.economics.curve import Curve

numbers = st.integers(-10_000, 10_000).map(float)
points = st.dictionaries(numbers, numbers, min_size=1, max_size=12).map(lambda found: sorted(found.items()))


@given(points)
def test_it_goes_through_every_point(found: list[tuple[float, float]]) -> None:
    curve = Curve(*zip(*found, strict=True))
    for x, y in found:
        assert curve.at(x) == pytest.approx(y, abs=1e-6)


@given(points, st.floats(0, 1))
def test_between_two_points_it_leaves_neither(found: list[tuple[float, float]], part: float) -> None:
    """No hill and no valley that was not measured: Steffen's property."""
    assume(len(found) > 1)
    curve = Curve(*zip(*found, strict=True))
    for (x0, y0), (x1, y1) in pairwise(found):
        y = curve.at(x0 + part * (x1 - x0))
        assert y is not None
        assert min(y0, y1) - 1e-6 <= y <= max(y0, y1) + 1e-6


@given(points)
def test_there_is_nothing_beyond_the_points(found: list[tuple[float, float]]) -> None:
    curve = Curve(*zip(*found, strict=True))
    assert (curve.least, curve.most) == (found[0][0], found[-1][0])
    assert curve.at(curve.least - 1e-3) is None
    assert curve.at(curve.most + 1e-3) is None


def test_a_straight_line_stays_straight() -> None:
    curve = Curve([0, 1, 5, 10], [0, 2, 10, 20])
    assert [curve.at(x) for x in (0.5, 3, 9)] == pytest.approx([1, 6, 18])
    assert Curve([0, 10], [0, 20]).at(5) == pytest.approx(10)


@pytest.mark.parametrize(("xs", "ys"), [([], []), ([1.0], []), ([1.0, 1.0], [1.0, 2.0]), ([2.0, 1.0], [1.0, 2.0])])
def test_what_is_no_curve(xs: list[float], ys: list[float]) -> None:
    with pytest.raises(ValueError, match="a curve"):
        Curve(xs, ys)
