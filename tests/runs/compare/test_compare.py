"""Runs with a known change between them, and what is said of it."""

import random
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.metrics import Exchange
from imaxproxy.runs import RunRecord
from imaxproxy.runs.compare import compare, read_figures
from runs.made_run import ENGINE, answered, make_run, refused

TRACE = {"sha256": "one", "skipped": 0, "clamped": 0}
SETTINGS = {"concurrency": 4, "endpoint": "chat"}


def crowd(count: int = 200, *, ttft: float = 1.0, gap: float = 1.0, seed: int = 1, noise: int = 2) -> list[Exchange]:
    """Requests of very different sizes, the same in each run but for the factors and a little noise."""
    size, shake = random.Random(seed), random.Random(noise)
    return [
        answered(
            number * 0.05,
            [10 * gap * shake.uniform(0.98, 1.02)] * size.randint(5, 30),
            request_id=f"r{number}",
            ttft_ms=size.lognormvariate(4.5, 0.6) * ttft * shake.uniform(0.98, 1.02),
        )
        for number in range(count)
    ]


def run(path: Path, exchanges: list[Exchange], **more: Any) -> RunRecord:  # noqa: ANN401
    return make_run(path, exchanges, **{"trace": TRACE, "settings": SETTINGS, **more})


def held(a: RunRecord, b: RunRecord, threshold: float = 0.05) -> dict[str, Any]:
    return compare(a, b, read_figures(a.directory.path), read_figures(b.directory.path), threshold)


def verdicts(result: dict[str, Any]) -> dict[str, str]:
    return {row["metric"]: row["verdict"] for row in result["rows"]}


def test_the_same_engine_twice_is_the_same(tmp_path: Path) -> None:
    result = held(run(tmp_path / "a", crowd(noise=2)), run(tmp_path / "b", crowd(noise=3)))
    said = verdicts(result)
    assert said["ttft, request by request"] == "same"
    assert said["tpot, request by request"] == "same"
    assert "regression" not in said.values()
    assert result["warnings"] == []
    assert result["paired"]["matched"] == 200
    assert result["paired"]["outcome_changed"] == {}


def test_pairs_see_what_two_crowds_cannot(tmp_path: Path) -> None:
    """TTFTs spread over a factor of 10; a 10 % rise of each is sure request by request, and lost in p99's interval."""
    result = held(run(tmp_path / "a", crowd()), run(tmp_path / "b", crowd(ttft=1.10, noise=3)))
    rows = {row["metric"]: row for row in result["rows"]}
    ttft = rows["ttft, request by request"]
    assert ttft["verdict"] == "regression"
    assert ttft["change"] == pytest.approx(0.10, abs=0.005)
    assert 0.09 < ttft["low"] < ttft["high"] < 0.11
    assert ttft["p_value"] < 1e-20
    assert "Wilcoxon" in ttft["method"]
    assert rows["ttft p99"]["verdict"] == "undecided"
    assert rows["tpot, request by request"]["verdict"] == "same"
    assert result["verdict"] == "regression"
    assert result["paired"]["slower_share"]["ttft_ms"] > 0.95


def test_the_threshold_is_what_matters(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a", crowd()), run(tmp_path / "b", crowd(ttft=1.10, gap=1.10, noise=3))
    assert verdicts(held(a, b, 0.2))["ttft, request by request"] == "same"
    assert verdicts(held(b, a, 0.05))["tpot, request by request"] == "improvement"


def test_failures_are_a_regression_of_their_own(tmp_path: Path) -> None:
    fine = crowd()
    failing = [refused(number * 0.05, f"r{number}") if number % 10 == 0 else each for number, each in enumerate(fine)]
    result = held(run(tmp_path / "a", fine), run(tmp_path / "b", failing))
    (row,) = (row for row in result["rows"] if row["metric"] == "failed or cut")
    assert (row["a"], row["b"], row["verdict"]) == (0.0, 0.1, "regression")
    assert result["paired"]["outcome_changed"] == {"completed to failed": 20}
    assert result["verdict"] == "regression"


def test_an_slo_that_both_had_is_held_against_each_other(tmp_path: Path) -> None:
    settings = SETTINGS | {"slo": "ttft_ms<120"}
    a = run(tmp_path / "a", crowd(), settings=settings)
    b = run(tmp_path / "b", crowd(ttft=2.0), settings=settings)
    (row,) = (row for row in held(a, b)["rows"] if row["metric"] == "within the SLO")
    assert row["b"] < row["a"]
    assert row["verdict"] == "regression"


def test_runs_of_different_traces_are_two_crowds_and_said_to_be(tmp_path: Path) -> None:
    a = run(tmp_path / "a", crowd())
    b = run(tmp_path / "b", crowd(seed=9), trace={"sha256": "two"}, settings=SETTINGS | {"concurrency": 8})
    result = held(a, b)
    assert result["paired"] is None
    assert result["not_paired_because"] == "the runs played different traces"
    assert {"ttft p50", "ttft p99"} <= set(verdicts(result))
    assert "runs of different traces: one, two" in result["warnings"]
    assert "runs of different loads: concurrency 4 against 8" in result["warnings"]


def test_names_that_nobody_shares_are_no_pairs(tmp_path: Path) -> None:
    result = held(run(tmp_path / "a", crowd()[:100]), run(tmp_path / "b", crowd()[90:], trace=None))
    assert "10 of 100 requests have a name that both runs know" in result["not_paired_because"]


def test_a_simulated_run_beside_a_measured_one(tmp_path: Path) -> None:
    result = held(run(tmp_path / "a", crowd(20)), run(tmp_path / "b", crowd(20), engine=ENGINE | {"simulated": True}))
    assert "simulated runs beside measured ones" in result["warnings"]
    assert (result["a"]["simulated"], result["b"]["simulated"]) == (False, True)


def test_too_few_to_tell(tmp_path: Path) -> None:
    result = held(run(tmp_path / "a", crowd(3)), run(tmp_path / "b", crowd(3, ttft=3.0)))
    (row,) = (row for row in result["rows"] if row["metric"] == "ttft, request by request")
    assert (row["low"], row["high"], row["verdict"]) == (None, None, "undecided")


def test_a_run_without_a_completed_request(tmp_path: Path) -> None:
    result = held(run(tmp_path / "a", [refused(0, "x")]), run(tmp_path / "b", [refused(0, "x")]))
    assert set(verdicts(result)) == {"failed or cut"}
