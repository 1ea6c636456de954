"""Runs measured on an H200 (docs/gpu.md), kept whole: their summaries made anew from journal and power log."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.runs import RunDirectory, summarize

FOLDER = Path(__file__).parents[1] / "data" / "gpu"
RUNS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
DOC = Path(__file__).parents[2] / "docs" / "gpu.md"


def kept(name: str) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((FOLDER / name / "summary.json").read_text())
    return summary


@pytest.mark.parametrize("name", RUNS)
def test_a_kept_run_comes_to_the_same_figures(name: str, tmp_path: Path) -> None:
    run = tmp_path / name
    shutil.copytree(FOLDER / name, run)
    (run / "summary.json").unlink()
    anew, before = summarize(RunDirectory.open(run)), kept(name)
    assert anew["simulated"] is False
    assert anew["requests"] == before["requests"] | {"resent": 0}  # counted since they were kept
    assert anew["tokens"] == before["tokens"]
    for metric in ("ttft_ms", "itl_ms", "tpot_ms", "e2e_ms"):
        assert anew[metric] == pytest.approx(before[metric])
    assert anew["throughput"] == pytest.approx(before["throughput"])
    assert anew["meter"]["valid"], anew["meter"]["reasons"]


@pytest.mark.parametrize("name", RUNS)
def test_its_energy_is_measured_and_holds_together(name: str) -> None:
    energy = kept(name)["energy"]
    assert energy["valid"], energy["reasons"]
    assert (energy["source"], energy["boundary"], energy["simulated"]) == ("nvml", "board", False)
    whole = energy["windows"]["whole"]
    assert 70 < whole["power_w"] < 700  # between idle and the board's limit
    assert whole["energy_j"] == pytest.approx(whole["power_w"] * whole["duration_s"], rel=0.01)
    output = kept(name)["tokens"]["output"]
    assert whole["j_per_output_token"] == pytest.approx(whole["energy_j"] / output, rel=0.01)


@pytest.mark.parametrize("name", RUNS)
def test_the_document_says_what_the_run_says(name: str) -> None:
    """A row of docs/gpu.md: run, TTFT p50, TPOT p50, output tokens/s, board W, J an output token."""
    found = re.search(rf"^\| `{re.escape(name)}` \|(.*)\|$", DOC.read_text(), re.MULTILINE)
    assert found, f"docs/gpu.md has no row of {name}"
    said = [float(cell.replace(",", "")) for cell in found[1].split("|")]
    summary = kept(name)
    whole = summary["energy"]["windows"]["whole"]
    are = [summary["ttft_ms"]["p50"], summary["tpot_ms"]["p50"], summary["throughput"]["output_tokens_per_s"]]
    assert said == pytest.approx([*are, whole["power_w"], whole["j_per_output_token"]], rel=0.01)
