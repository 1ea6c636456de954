import random

import pytest

from imaxproxy.metrics.level import backlog_growth, mser5


def test_mser5_cuts_a_start_that_differs() -> None:
    rng = random.Random(1)
    ramp = [value / 5 for value in range(50)]
    level = [10 + rng.random() for _ in range(450)]
    cut, settled = mser5(ramp + level)
    assert 40 <= cut <= 60
    assert settled


def test_mser5_leaves_a_level_alone() -> None:
    rng = random.Random(2)
    cut, settled = mser5([10 + rng.random() for _ in range(500)])
    assert cut < 150
    assert settled


def test_mser5_finds_where_a_flat_level_begins() -> None:
    """As a closed loop has it: nothing varies behind the ramp but the last bits of a float."""
    level = [51 + 1e-9 * (number % 3) for number in range(400)]
    assert mser5([float(value) for value in range(50)] + level) == (50, True)


def test_mser5_knows_a_series_that_is_still_on_its_way() -> None:
    assert mser5([float(value) for value in range(500)]) == (250, False)
    assert mser5([]) == (0, False)


@pytest.mark.parametrize(
    ("levels", "starts", "share"),
    [
        ([10.0] * 400, 1000, 0.0),
        ([float(value) for value in range(400)], 1000, 0.4),  # 200 of the 500 sent in half of the time stayed behind
        ([25.0] * 200 + [29.0] * 200, 50, 0.0),  # no more than a Poisson count of 25 may grow by chance
        ([25.0] * 200 + [31.0] * 200, 50, 0.24),
    ],
)
def test_a_backlog_grows_by_what_is_not_done(levels: list[float], starts: int, share: float) -> None:
    assert backlog_growth(levels, starts) == pytest.approx(share)
