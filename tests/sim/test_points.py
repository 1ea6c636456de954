"""Credibility is a test: the model against what InferenceX measured. `pytest -s` prints the errors by group."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.sim import errors_by_group, predict_point, read_points
from imaxproxy.sim.constants import Constants, load_constants

POINTS = Path(__file__).parent.parent / "data" / "sim" / "inferencex_points.csv"
HEADER = "model,gpu,precision,engine,gpus,ep,dp_attention,concurrency,isl,osl,ttft_ms,tpot_ms,measured\n"
ROW = "gpt-oss-120b,b200,fp4,vllm,1,1,0,16,1024,1024,60,6,2026-01-20\n"


@pytest.fixture(scope="module")
def groups() -> dict[str, dict[str, Any]]:
    found = errors_by_group([predict_point(point) for point in read_points(POINTS)])
    for name, group in found.items():
        cells = [f"{what} {group[what]['median']:6.1%}" for what in ("tpot", "throughput", "ttft")]
        print(f"{name:<44} {group['rows']:>4}  {'  '.join(cells)}")
    return found


def test_all_points_are_predicted(groups: dict[str, dict[str, Any]]) -> None:
    assert groups["all"]["rows"] == groups["all"]["tpot"]["count"] == 466
    assert groups["held out"]["rows"] == 95


@pytest.mark.parametrize(
    ("group", "tpot", "throughput", "ttft"),
    [("all", 0.065, 0.065, 0.135), ("held out", 0.09, 0.09, 0.18)],  # measured 5.9/5.8/12.4 and 8.0/7.8/16.3 %
)
def test_the_median_errors_have_not_drifted(
    groups: dict[str, dict[str, Any]], group: str, tpot: float, throughput: float, ttft: float
) -> None:
    assert groups[group]["tpot"]["median"] < tpot
    assert groups[group]["throughput"]["median"] < throughput
    assert groups[group]["ttft"]["median"] < ttft
    assert abs(groups[group]["tpot"]["bias"]) < 0.04


@pytest.mark.parametrize(
    ("constant", "times", "quantity", "limit"),
    [("layer_s", 1.15, "tpot", 0.065), ("layer_s", 1.3, "throughput", 0.065), ("request_s", 1.5, "ttft", 0.135)],
)
def test_a_drift_of_the_constants_would_be_seen(
    monkeypatch: pytest.MonkeyPatch, constant: str, times: float, quantity: str, limit: float
) -> None:
    """What the test above would say if somebody changed the model."""

    def drifted(architecture: str, engine: str) -> Constants:
        constants = load_constants(architecture, engine)
        return replace(constants, **{constant: getattr(constants, constant) * times})

    monkeypatch.setattr("imaxproxy.sim.step.load_constants", drifted)
    found = errors_by_group([predict_point(point) for point in read_points(POINTS)])
    assert found["all"][quantity]["median"] > limit


def test_what_a_recipe_makes_requests_wait_is_known_of_its_curve(tmp_path: Path) -> None:
    """InferenceX's TensorRT-LLM script of Llama lets 1K/1K wait below TP 8."""
    rows = [
        f"llama-3.3-70b,b200,fp4,trt,{gpus},1,0,8,1024,{osl},,,2025-10-29\n" for gpus, osl in ((2, 1024), (2, 8192))
    ]
    waiting, plain = map(predict_point, read_points(written(tmp_path, HEADER + "".join(rows))))
    assert waiting.ttft_ms is not None
    assert plain.ttft_ms is not None
    assert plain.tpot_ms is not None
    assert waiting.ttft_ms - plain.ttft_ms == pytest.approx(20 * plain.tpot_ms, rel=0.15)


def test_no_group_is_far_off(groups: dict[str, dict[str, Any]]) -> None:
    for group in groups.values():
        assert group["tpot"]["median"] < 0.10
        assert group["throughput"]["median"] < 0.17


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "points.csv"
    path.write_text(text)
    return path


def test_a_row_keeps_its_columns_and_gets_its_prediction(tmp_path: Path) -> None:
    header = HEADER.strip() + ",note\n"
    (point,) = read_points(written(tmp_path, f"# a comment\n{header}{ROW.strip()},mine\n"))
    row = predict_point(point).as_dict()
    assert (row["note"], row["measured"], row["isl"]) == ("mine", "2026-01-20", 1024)
    assert row["tpot_error"] == pytest.approx(row["predicted_tpot_ms"] / 6 - 1)
    assert row["in_calibrated_range"] is True
    e2e_s = 0.06 + 0.006 * (0.9 * 1024 - 1)
    assert row["measured_total_tokens_per_s_per_gpu"] == pytest.approx(16 * 2 * 0.9 * 1024 / e2e_s)


def test_a_row_that_cannot_run_says_why(tmp_path: Path) -> None:
    (point,) = read_points(written(tmp_path, HEADER + "deepseek-r1,b200,fp8,trtllm,1,1,0,8,1024,1024,,,\n"))
    predicted = predict_point(point)
    assert predicted.tpot_ms is None
    assert "does not fit on 1 B200" in str(predicted.refused)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model,gpu\n", "no column precision"),
        (HEADER + ROW.replace(",16,", ",many,"), "csv:2: column concurrency must be a whole number"),
        (HEADER + ROW + ROW.replace(",60,", ",-60,"), "csv:3: column ttft_ms must be a number above 0"),
        (HEADER + ROW.replace("2026-01-20", "soon"), "csv:2: column measured must be a date"),
        (HEADER + ROW.replace("b200", ""), "csv:2: column gpu must be a text"),
    ],
)
def test_a_mistake_is_named_by_line_and_column(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_points(written(tmp_path, text))
