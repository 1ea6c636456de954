import math
import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.metrics.rank_test import median_interval, signed_rank_p


def test_darwins_maize() -> None:
    """Cross- and self-fertilised plants, 15 pairs: SciPy's documentation has W = 24, p = 0.041259765625."""
    heights = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]
    assert signed_rank_p(heights) == pytest.approx(0.041259765625)


@given(st.lists(st.integers(-30, 30), max_size=60))
def test_a_mirror_image_is_as_unlikely(found: list[int]) -> None:
    p = signed_rank_p(found)
    assert 0 <= p <= 1
    assert signed_rank_p([-value for value in found]) == pytest.approx(p)
    assert signed_rank_p([*found, 0, 0]) == pytest.approx(p)


def test_the_approximation_meets_the_exact_count() -> None:
    """31 differences go the one way, 30 the other: for like shifts both say about the same."""
    rng = random.Random(1)
    found = [rng.gauss(0.4, 1) for _ in range(31)]
    exact = signed_rank_p(found[:30])
    near = signed_rank_p([*found[:30], 1e-9])  # a 31st that ranks last
    assert near == pytest.approx(exact, rel=0.15)


def test_few_false_alarms_and_few_misses() -> None:
    """Of 400 samples without a shift about 5 % have p below 0.05; with a clear one nearly all."""
    rng = random.Random(7)
    still = sum(signed_rank_p([rng.gauss(0, 1) for _ in range(50)]) < 0.05 for _ in range(400))
    moved = sum(signed_rank_p([rng.gauss(1, 1) for _ in range(50)]) < 0.05 for _ in range(100))
    assert 8 <= still <= 34
    assert moved >= 99


@given(st.lists(st.integers(-100, 100).map(float), min_size=1, max_size=60).map(sorted))
def test_the_interval_holds_the_median_and_only_values_of_the_sample(found: list[float]) -> None:
    middle, low, high = median_interval(found)
    assert middle == median(found)
    assert low <= middle <= high
    if len(found) < 6:
        assert (low, high) == (-math.inf, math.inf)
    else:
        assert {low, high} <= set(found)


@pytest.mark.parametrize(("count", "depth"), [(6, 1), (8, 1), (9, 2), (15, 4), (25, 8), (50, 18), (100, 40)])
def test_depths_are_those_of_the_sign_tests_table(count: int, depth: int) -> None:
    """Two-sided 5 % points of the sign test: up to depth - 1 values of one sign are still too few."""
    assert median_interval([float(value) for value in range(1, count + 1)])[1] == depth


def test_it_covers_the_true_median_as_often_as_it_says() -> None:
    rng = random.Random(3)
    held = 0
    for _ in range(400):
        _, low, high = median_interval(sorted(rng.expovariate(1) for _ in range(80)))
        held += low <= math.log(2) <= high
    assert held >= 370


def test_large_samples_go_by_the_normal_curve() -> None:
    _, low, high = median_interval([float(value) for value in range(1, 10_001)])
    assert (low, high) == pytest.approx((4_902, 5_099), abs=1)


def test_nothing_has_no_median() -> None:
    with pytest.raises(ValueError, match="no value"):
        median_interval([])
    assert signed_rank_p([]) == 1.0
