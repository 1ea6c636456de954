import math
from collections import Counter
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.errors import UsageError
from imaxproxy.traces import Constant, Gamma, OnOff, Poisson, arrivals_of, share


def cv(offsets: list[int]) -> float:
    gaps = [after - before for before, after in pairwise(offsets)]
    mean = sum(gaps) / len(gaps)
    return math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) / mean


def dispersion(offsets: list[int], window_s: float) -> float:
    """Variance over mean of the counts in windows."""
    counts = Counter(int(at_ns / 1e9 / window_s) for at_ns in offsets)
    values = [counts[window] for window in range(max(counts))]
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values) / mean


def test_poisson_has_the_rate_and_the_spread_it_says() -> None:
    offsets = list(islice(Poisson(rate_per_s=50, seed=1).offsets_ns(), 20_000))
    assert offsets == sorted(offsets)
    assert 20_000 / (offsets[-1] / 1e9) == pytest.approx(50, rel=0.03)  # 4 sigma of 20,000 gaps
    assert cv(offsets) == pytest.approx(1, abs=0.04)


def test_poisson_is_the_same_for_the_same_seed_only() -> None:
    one, same, other = (list(islice(Poisson(10, seed).offsets_ns(), 5)) for seed in (1, 1, 2))
    assert one == same != other
    assert one[:2] == POISSON_GOLDEN_NS


def test_constant_does_not_drift() -> None:
    offsets = list(islice(Constant(rate_per_s=3).offsets_ns(), 3_001))
    assert offsets[:4] == [0, 333_333_333, 666_666_667, 1_000_000_000]
    assert offsets[3_000] == 1_000_000_000_000


@pytest.mark.parametrize("rate_per_s", [0, -1, math.nan, math.inf])
def test_a_rate_is_above_zero(rate_per_s: float) -> None:
    for make in (lambda: Poisson(rate_per_s, seed=1), lambda: Constant(rate_per_s)):
        with pytest.raises(UsageError, match="--rate must be above 0 requests/s, not"):
            make()


@pytest.mark.parametrize("shape", [0.25, 1.0, 4.0])
def test_gamma_has_the_rate_and_the_burstiness_it_says(shape: float) -> None:
    offsets = list(islice(Gamma(50, shape, seed=1).offsets_ns(), 40_000))
    assert offsets == sorted(offsets)
    assert 40_000 / (offsets[-1] / 1e9) == pytest.approx(50, rel=0.05)
    assert cv(offsets) == pytest.approx(1 / math.sqrt(shape), rel=0.05)


def test_on_off_has_its_mean_rate_and_its_bursts() -> None:
    offsets = list(islice(OnOff(50, on_s=1, off_s=3, share=0.1, seed=1).offsets_ns(), 100_000))
    assert offsets == sorted(offsets)
    assert 100_000 / (offsets[-1] / 1e9) == pytest.approx(50, rel=0.1)
    assert dispersion(offsets, 1.0) > 5  # a Poisson process has 1


def test_off_means_off() -> None:
    offsets = list(islice(OnOff(1000, on_s=1, off_s=1, share=0.0, seed=3).offsets_ns(), 20_000))
    gaps_s = [(after - before) / 1e9 for before, after in pairwise(offsets)]
    assert max(gaps_s) > 0.5
    assert sum(gap_s > 0.02 for gap_s in gaps_s) < 50  # a pause is one gap, not a row of them


@pytest.mark.parametrize(
    ("text", "arrivals"),
    [
        ("poisson", Poisson(5, 7)),
        ("constant", Constant(5)),
        ("gamma:0.5", Gamma(5, 0.5, 7)),
        ("onoff:10,30", OnOff(5, 10, 30, 0, 7)),
        ("onoff:10,30,0.2", OnOff(5, 10, 30, 0.2, 7)),
    ],
)
def test_arrivals_as_text(text: str, arrivals: object) -> None:
    assert arrivals_of(text, 5, 7) == arrivals


@pytest.mark.parametrize(
    "text", ["", "gamma", "gamma:0", "gamma:x", "gamma:1,2", "onoff:1", "onoff:0,1", "onoff:1,2,3", "poisson:1", "wave"]
)
def test_what_is_no_arrivals_is_said_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="--arrivals"):
        arrivals_of(text, 5, 7)


@given(st.lists(st.integers()), st.integers(1, 12))
def test_the_shares_of_all_workers_are_the_schedule(schedule: list[int], workers: int) -> None:
    parts = [list(share(iter(schedule), worker, workers)) for worker in range(workers)]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    merged = [parts[place % workers][place // workers] for place in range(len(schedule))]
    assert merged == schedule
    assert sum(map(len, parts)) == len(schedule)


POISSON_GOLDEN_NS = [363135454, 434099969]
