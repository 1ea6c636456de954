import pytest

from imaxproxy.metrics import share_difference, t_interval, wilson
from imaxproxy.metrics.interval import t_975


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (4, 2.776), (30, 2.042), (31, 2.0395), (60, 2.0003), (1000, 1.9623)]
)
def test_quantiles_as_in_the_tables(freedom: int, quantile: float) -> None:
    assert t_975(freedom) == pytest.approx(quantile, abs=0.0005)


def test_no_freedom_no_quantile() -> None:
    with pytest.raises(ValueError, match="at least 1 degree"):
        t_975(0)


def test_the_interval_of_five_runs() -> None:
    interval = t_interval([10.0, 12.0, 11.0, 13.0, 9.0])
    assert (interval.count, interval.mean) == (5, 11)
    assert interval.stdev == pytest.approx(1.58114, abs=1e-5)
    assert (interval.low, interval.high) == (pytest.approx(9.0368, abs=1e-3), pytest.approx(12.9632, abs=1e-3))


def test_one_run_has_no_interval() -> None:
    interval = t_interval([3.0])
    assert (interval.mean, interval.stdev, interval.low, interval.high) == (3, None, None, None)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 0, 0, 1), (0, 10, 0, 0.2775), (10, 10, 0.7225, 1), (50, 100, 0.4038, 0.5962), (990, 1000, 0.9817, 0.9946)],
)
def test_wilson(hits: int, trials: int, low: float, high: float) -> None:
    assert wilson(hits, trials) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


def test_the_difference_of_two_shares_is_newcombes() -> None:
    """R. Newcombe (1998), table II, method 10: 56/70 against 48/80 is 0.20, 0.0524 to 0.3339."""
    found = share_difference(48, 80, 56, 70)
    assert tuple(round(value, 4) for value in found) == (0.2, 0.0524, 0.3339)
    assert tuple(round(value, 4) for value in share_difference(56, 70, 48, 80)) == (-0.2, -0.3339, -0.0524)


def test_a_share_needs_a_trial() -> None:
    with pytest.raises(ValueError, match="needs a trial"):
        share_difference(0, 0, 1, 2)
