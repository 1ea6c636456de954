from typing import Any

import pytest

from imaxproxy.metrics import METRICS
from imaxproxy.runs import repeats

STATS = {"mean": 10.0, "p50": 10.0, "p90": 20.0, "p99": 30.0}


def summary(ttft_ms: float, steady_ttft_ms: float | None = None, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return part(ttft_ms) | {
        "windows": {"steady": None if steady_ttft_ms is None else part(steady_ttft_ms)},
        "simulated": False, "meter": {"valid": True}, "slo": None,
    } | changes  # fmt: skip


def part(ttft_ms: float) -> dict[str, Any]:
    rates = {"requests_per_s": 5.0, "output_tokens_per_s": 100.0, "total_tokens_per_s": None}
    return {**dict.fromkeys(METRICS, STATS), "ttft_ms": STATS | {"p50": ttft_ms}, "throughput": rates}


def test_an_interval_over_runs() -> None:
    """Of 10, 12, 14: s = 2, and t(0.975, 2) = 4.303."""
    result = repeats([summary(10), summary(12), summary(14)], ["a", "b", "c"])
    figure = result["figures"]["ttft_ms.p50"]
    assert (figure["count"], figure["mean"], figure["stdev"], figure["values"]) == (3, 12, 2, [10, 12, 14])
    assert figure["high"] - 12 == 12 - figure["low"] == pytest.approx(4.303 * 2 / 3**0.5)
    assert result["window"] == "whole"


def test_steady_windows_are_compared_only_where_all_have_one() -> None:
    assert repeats([summary(1, 10), summary(1, 12)], ["a", "b"])["figures"]["ttft_ms.p50"]["mean"] == 11
    assert repeats([summary(1, 10), summary(3)], ["a", "b"])["figures"]["ttft_ms.p50"]["mean"] == 2


def test_what_a_run_does_not_know_has_no_interval() -> None:
    assert repeats([summary(1), summary(2)], ["a", "b"])["figures"]["total_tokens_per_s"] is None
    assert repeats([summary(1)], ["a"])["figures"]["ttft_ms.p50"]["low"] is None


def test_each_runs_verdicts_stand_beside() -> None:
    result = repeats([summary(1, slo={"met": True}), summary(1, meter={"valid": False}, simulated=True)], ["a", "b"])
    assert (result["slo_met"], result["meter_valid"], result["simulated"]) == ([True, None], [True, False], True)
