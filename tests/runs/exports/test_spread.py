import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.runs.exports.spread import Spread

values = st.lists(st.integers(-1_000, 1_000).map(float), min_size=2, max_size=60)


@given(values)
def test_it_says_what_the_standard_library_says(found: list[float]) -> None:
    """statistics' inclusive quantiles are numpy's default percentiles, and its pstdev numpy's std."""
    spread = Spread.of(found)
    assert spread.mean() == pytest.approx(statistics.fmean(found), abs=1e-9)
    assert spread.std() == pytest.approx(statistics.pstdev(found), abs=1e-6)
    for percent, wanted in enumerate(statistics.quantiles(found, n=100, method="inclusive"), 1):
        assert spread.percentile(percent) == pytest.approx(wanted, abs=1e-9)
    assert (spread.least(), spread.most()) == (min(found), max(found))
    assert spread.count == len(found)


def test_p99_9_lies_between_the_two_largest() -> None:
    assert Spread.of(float(value) for value in range(11)).percentile(99.9) == pytest.approx(9.99)


def test_counts_and_another_unit() -> None:
    assert Spread({10: 3, 20: 1}).scaled(0.5).mean() == pytest.approx(6.25)
    assert Spread.of([7.0]).percentile(99) == 7.0


def test_nothing_has_no_mean() -> None:
    assert Spread.of([]).count == 0
    with pytest.raises(ValueError, match="no value"):
        Spread.of([]).mean()
