from pathlib import Path

import pytest

from cli.command import Command

POINTS = Path(__file__).parent.parent / "data" / "sim" / "inferencex_points.csv"
RECIPE = "gpt-oss-120b-b200-vllm"


def test_a_recipes_curve(command: Command) -> None:
    table = command.run("engine", "predict", RECIPE, "--concurrency", "1,512").check(0).out
    assert "Predicted, not measured" in table
    assert "30%, outside the calibrated range" in table
    found = command.run("engine", "predict", RECIPE, "--concurrency", "1,64", "--json").check(0).json
    assert (found["simulated"], found["gpu"], len(found["points"])) == (True, "b200", 2)
    assert found["points"][1]["tpot_ms"] > found["points"][0]["tpot_ms"] > 0
    assert len(found["constants_sha256"]) == 64


def test_points_are_held_against_the_model(command: Command) -> None:
    found = command.run("engine", "predict", "--points", POINTS, "--json").check(0).json
    assert len(found["points"]) == 466
    row = found["points"][0]
    for name in ("predicted_tpot_ms", "predicted_ttft_ms", "predicted_total_tokens_per_s_per_gpu"):
        assert row[name] > 0
    assert found["groups"]["held out"]["tpot"]["median"] <= 0.09
    table = command.run("engine", "predict", "--points", POINTS).check(0).out
    assert "absolute error, median (mean)" in table


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ((), "give either a RECIPE"),
        ((RECIPE, "--points", "x.csv"), "give either a RECIPE"),
        (("no-such",), "unknown recipe 'no-such'"),
        (("fixed-5ms",), "models no hardware"),
        ((RECIPE, "--concurrency", "1,none"), "whole numbers of 1 or more"),
        (("--points", "nowhere.csv"), "cannot read nowhere.csv"),
    ],
)
def test_a_mistake_is_one_line(command: Command, argv: tuple[str, ...], says: str) -> None:
    assert says in command.run("engine", "predict", *argv).complaint()
