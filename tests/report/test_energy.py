"""The energy lines of the table."""

import copy
from typing import Any

import pytest

from imaxproxy.report.energy import energy_rows
from imaxproxy.runs import summarize
from tests.runs.test_energy import _lines, _run


@pytest.fixture(scope="module")
def energy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    summary = summarize(_run(tmp_path_factory.mktemp("energy"), _lines(), slo="ttft_ms<500"))
    found: dict[str, Any] = summary["energy"]
    return found


def _text(energy: dict[str, Any] | None) -> str:
    return "\n".join(text for _, text in energy_rows(energy))


def test_every_figure_has_its_boundary_its_error_and_its_window(energy: dict[str, Any]) -> None:
    text = _text(energy)
    assert " J per output token ± 5" in text
    assert "board power by nvml, counter, steady window" in text
    assert "a measured board MW" in text
    assert "an IT MW" in text
    assert "of their TDP; idle 100 W (measured before the run)" in text
    assert "J per 1,000 reasoning tokens" in text
    assert "counted: GPU-0 (only_device)" in text
    assert "mind" not in text


def test_what_is_not_valid_says_so_and_why(energy: dict[str, Any]) -> None:
    broken = copy.deepcopy(energy) | {"valid": False, "reasons": ["gpu_count_mismatch"], "warnings": ["mig"]}
    text = _text(broken)
    assert "NOT VALID" in text
    assert "not to be believed as it stands:[/] not as many GPUs were counted as the engine has" in text
    assert "mind:[/] a counted GPU is split" in text


def test_what_is_not_known_is_one_line_and_no_power_is_none(energy: dict[str, Any]) -> None:
    assert energy_rows(None) == []
    unread = {"valid": False, "reasons": ["source_not_opened"], "detail": "NVML: no [driver]", "windows": None}
    assert energy_rows(unread) == [("energy", r"unknown: NVML: no \[driver]")]
    without = copy.deepcopy(energy) | {"reasons": ["gpus_not_mapped"], "devices": []}
    without["windows"][without["window"]]["energy_j"] = None
    assert _text(without).startswith("unknown: which GPUs are the engine's is not known: say --power-devices")
