from pathlib import Path

import pytest

from imaxproxy.runs.drawn import drawn_of
from runs.made_run import make_run, steady_power


def test_measured_boards_with_what_is_provisioned_beside_them(tmp_path: Path) -> None:
    """Two B200 at 400 and 600 W; beside each go 1.71 kW of provisioned IT less 1 kW of board."""
    summary = make_run(tmp_path, power=steady_power(every_s=0.1)).summary
    whole = summary["energy"]["windows"]["whole"]
    drawn = drawn_of(summary["energy"])
    assert drawn is not None
    assert drawn.boundary == "it"
    assert drawn.j_per_output_token == pytest.approx(whole["j_per_output_token"] * (1000 + 2 * 710) / 1000)
    electricity = summary["cost"]["electricity"]
    assert (electricity["basis"], electricity["boundary"]) == ("measured", "it")
    assert electricity["usd_per_million_output_tokens"] == pytest.approx(
        drawn.j_per_output_token / 3.6 * electricity["pue"] * electricity["usd_per_kwh"]
    )


def test_a_gpu_that_the_table_does_not_know_stays_at_the_board(tmp_path: Path) -> None:
    summary = make_run(tmp_path, engine={"gpu": "abacus", "gpus": 2}, power=steady_power(every_s=0.1)).summary
    drawn = drawn_of(summary["energy"])
    assert drawn is not None
    assert drawn.boundary == "board"
    assert drawn.j_per_output_token == summary["energy"]["windows"]["whole"]["j_per_output_token"]


def test_what_may_not_be_believed_is_not_paid_for(tmp_path: Path) -> None:
    summary = make_run(tmp_path, power=steady_power(until_s=1.0)).summary
    assert drawn_of(summary["energy"]) is None
    assert drawn_of(None) is None
    assert summary["cost"]["electricity"]["basis"] == "provisioned"
