import random

import pytest

from imaxproxy.metrics.bootstrap import RESAMPLES, percentile_of, ratio_interval, resampled_percentiles


def test_percentiles_by_nearest_rank() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile_of(values, share) for share in (0.5, 0.99, 0.999, 0.0)] == [50, 99, 100, 1]
    with pytest.raises(ValueError, match="no value"):
        percentile_of([], 0.5)


def test_it_is_what_drawing_again_and_again_gives() -> None:
    """The short cut against the long way: resamples of 200 values, their p90 sorted; quartiles agree."""
    rng = random.Random(5)
    values = sorted(rng.lognormvariate(4, 0.5) for _ in range(200))
    long_way = sorted(percentile_of(sorted(rng.choices(values, k=200)), 0.9) for _ in range(RESAMPLES))
    short_cut = sorted(resampled_percentiles(values, 0.9, random.Random(6)))
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        at = int(share * RESAMPLES)
        assert abs(values.index(short_cut[at]) - values.index(long_way[at])) <= 1  # of 200 ranks


def test_the_interval_of_a_ratio() -> None:
    rng = random.Random(8)
    a = sorted(rng.gauss(100, 10) for _ in range(2_000))
    b = sorted(rng.gauss(110, 10) for _ in range(2_000))
    found = ratio_interval(a, b, 0.5)
    assert found is not None
    ratio, low, high = found
    assert low < 1.1 < high
    assert low < ratio < high
    assert high - low < 0.03
    assert found == ratio_interval(a, b, 0.5)  # the same seed, the same answer


def test_nothing_divides_by_0() -> None:
    assert ratio_interval([0.0, 0.0], [1.0, 2.0], 0.5) is None
