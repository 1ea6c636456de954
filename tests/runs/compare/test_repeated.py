import random
from pathlib import Path

import pytest

from imaxproxy.runs import RunRecord
from imaxproxy.runs.compare import compare_repeats
from imaxproxy.runs.compare.repeated import welch_interval
from runs.made_run import answered, make_run, refused, steady_power

TRACE = {"sha256": "one"}


def test_welchs_interval_lies_around_the_difference() -> None:
    """The middle is the difference of means; without spread there is no width."""
    a = [20.4, 24.2, 15.4, 21.4, 20.2, 18.5, 21.5, 22.3, 16.9, 19.2]
    b = [value - 3 + (-1) ** number * 0.5 for number, value in enumerate(a)]
    difference, low, high = welch_interval(a, b)
    assert difference == pytest.approx(-3.0)
    assert (low + high) / 2 == pytest.approx(-3.0)
    assert welch_interval([1.0, 1.0], [2.0, 2.0]) == (1.0, 1.0, 1.0)


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    """Five runs against five, one side spreading three times as far."""
    rng = random.Random(4)
    held = 0
    for _ in range(400):
        _, low, high = welch_interval([rng.gauss(0, 3) for _ in range(5)], [rng.gauss(1, 1) for _ in range(5)])
        held += low <= 1 <= high
    assert 368 <= held <= 396


def side(path: Path, gaps_ms: list[float]) -> list[RunRecord]:
    path.mkdir()
    return [
        make_run(path / f"repeat-{number}", [answered(at, [gap] * 10) for at in range(3)], trace=TRACE)
        for number, gap in enumerate(gaps_ms, 1)
    ]


def test_a_change_beyond_what_runs_differ_by_is_a_regression(tmp_path: Path) -> None:
    before, after = side(tmp_path / "a", [10, 10.1, 9.9, 10]), side(tmp_path / "b", [12, 12.1, 11.9, 12])
    result = compare_repeats(before, after, 0.05)
    rows = {row["metric"]: row for row in result["rows"]}
    assert rows["tpot p50"]["change"] == pytest.approx(0.2, abs=0.01)
    assert rows["tpot p50"]["verdict"] == "regression"
    assert rows["ttft p50"]["verdict"] == "same"
    assert "Welch's t over 4 and 4 runs" in rows["tpot p50"]["method"]
    assert result["verdict"] == "regression"
    assert result["a"]["path"].endswith("a (4 runs)")


def test_runs_that_lie_far_apart_decide_nothing(tmp_path: Path) -> None:
    result = compare_repeats(side(tmp_path / "a", [8, 12]), side(tmp_path / "b", [9, 14]), 0.05)
    assert {row["metric"]: row["verdict"] for row in result["rows"]}["tpot p50"] == "undecided"


def test_failures_and_joules_are_rows_too(tmp_path: Path) -> None:
    before = [make_run(tmp_path / f"a{n}", [answered(0), answered(1)], power=steady_power(every_s=0.1)) for n in (1, 2)]
    after = [make_run(tmp_path / f"b{n}", [answered(0), refused(1)]) for n in (1, 2)]
    rows = {row["metric"]: row for row in compare_repeats(before, after, 0.05)["rows"]}
    assert (rows["failed or cut"]["change"], rows["failed or cut"]["verdict"]) == (0.5, "regression")
    assert "j output" not in rows  # the second side was not measured
    assert "j output" in {row["metric"] for row in compare_repeats(before, before, 0.05)["rows"]}
