"""InferenceX's artifacts, key for key, and through its own scripts where they are at hand.

`IMAX_INFERENCEX=/path/to/InferenceX/utils pytest tests/runs/exports` runs `process_result.py` unchanged; not ours to
ship.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from imaxproxy.errors import UsageError
from imaxproxy.power import Boundary, Device
from imaxproxy.runs import RunRecord
from imaxproxy.runs.exports import export
from imaxproxy.runs.exports.inferencex.power_validation import Integration, power_metrics
from runs.made_run import ENGINE, UNIX_S, answered, make_run, steady_power

SAID = ("model_prefix=gptoss",)
RAW = {
    "date", "backend", "model_id", "tokenizer_id", "best_of", "num_prompts", "max_concurrency", "request_rate",
    "burstiness", "duration", "benchmark_start_time_unix", "benchmark_end_time_unix", "completed", "total_input_tokens",
    "total_output_tokens", "request_throughput", "request_goodput:", "output_throughput", "total_token_throughput",
    "input_lens", "output_lens",
    *(
        f"{stat}_{metric}_ms"
        for stat in ("mean", "median", "std", "p90", "p99", "p99.9")
        for metric in ("ttft", "tpot", "itl", "e2el")
    ),
}  # fmt: skip
AGGREGATE = {
    "hw", "conc", "image", "model", "infmax_model_prefix", "framework", "precision", "spec_decoding", "disagg",
    "recipe_fingerprint", "isl", "osl", "is_multinode", "tp", "pp", "dcp_size", "pcp_size", "ep", "dp_attention",
    "tput_per_gpu", "output_tput_per_gpu", "input_tput_per_gpu", "power_metric_schema_version", "power_valid",
    *(
        f"{stat}_{metric}"
        for stat in ("mean", "median", "std", "p90", "p99", "p99.9")
        for metric in ("ttft", "tpot", "itl", "e2el", "intvty")
    ),
}  # fmt: skip
POWER = {
    "avg_power_w", "avg_total_gpu_power_w", "total_gpu_energy_j", "joules_per_successful_query",
    "joules_per_input_token", "joules_per_output_token", "joules_per_total_token",
}  # fmt: skip
SIDECAR = {
    "schema_version", "power_valid", "reasons", "telemetry_source", "benchmark_result", "benchmark_window",
    "integration_method", "expected_gpu_count", "observed_gpu_count", "observed_gpu_ids", "per_gpu_sample_counts",
    "per_gpu_max_sample_gap_s", "per_gpu_energy_j", "device_issues", "accumulator_check", "metrics",
}  # fmt: skip


def exported(record: RunRecord, out: Path, said: tuple[str, ...] = SAID) -> dict[str, Any]:
    files, notes = export(record, "inferencex", said, out)
    found = {path.name: path for path in files}
    assert all(path.exists() for path in files)
    return {name: orjson.loads(path.read_bytes()) for name, path in found.items() if name.endswith(".json")} | {
        "notes": notes, "files": sorted(found)
    }  # fmt: skip


def test_the_result_has_their_45_keys(tmp_path: Path) -> None:
    raw = exported(make_run(tmp_path / "run", power=steady_power()), tmp_path / "out")["result.json"]
    assert set(raw) == RAW
    assert len(raw) == 45
    assert (raw["num_prompts"], raw["completed"], raw["max_concurrency"], raw["request_rate"]) == (4, 3, 4, "inf")
    assert raw["benchmark_start_time_unix"] == pytest.approx(UNIX_S)
    assert raw["benchmark_end_time_unix"] == pytest.approx(UNIX_S + 2.005)
    assert raw["output_throughput"] == pytest.approx(14 / 2.005)
    assert raw["total_token_throughput"] == pytest.approx(64 / 2.005)
    assert raw["mean_tpot_ms"] == pytest.approx(38 / 3)
    assert raw["median_ttft_ms"] == pytest.approx(100)
    assert raw["p99.9_itl_ms"] == pytest.approx(29.93, abs=0.01)
    assert (raw["input_lens"], raw["output_lens"]) == ([10, 10, 30, 0], [4, 4, 6, 0])


def test_the_aggregate_has_their_keys_and_units(tmp_path: Path) -> None:
    found = exported(make_run(tmp_path / "run", power=steady_power()), tmp_path / "out")
    whole, raw = found["agg_result.json"], found["result.json"]
    assert set(whole) == AGGREGATE | POWER
    assert whole["mean_ttft"] == raw["mean_ttft_ms"] / 1000
    assert whole["p90_intvty"] == 1000 / raw["p90_tpot_ms"]
    assert whole["tput_per_gpu"] == raw["total_token_throughput"] / 2
    assert whole["output_tput_per_gpu"] + whole["input_tput_per_gpu"] == pytest.approx(whole["tput_per_gpu"])
    assert (whole["hw"], whole["dp_attention"], whole["spec_decoding"], whole["infmax_model_prefix"]) == (
        "b200", "false", "none", "gptoss",
    )  # fmt: skip


def test_power_is_their_integral(tmp_path: Path) -> None:
    """Two boards at 400 and 600 W for 2.005 s; 3 queries, 50 tokens in, 14 out."""
    found = exported(make_run(tmp_path / "run", power=steady_power()), tmp_path / "out")
    whole, sidecar = found["agg_result.json"], found["power_validation_result.json"]
    assert whole["power_valid"] == 1
    assert whole["avg_power_w"] == pytest.approx(500)
    assert whole["total_gpu_energy_j"] == pytest.approx(2005, abs=1e-3)
    assert whole["joules_per_successful_query"] == pytest.approx(2005 / 3, abs=1e-3)
    assert whole["joules_per_output_token"] == pytest.approx(2005 / 14, abs=1e-3)
    assert set(sidecar) == SIDECAR
    assert (sidecar["power_valid"], sidecar["reasons"], sidecar["observed_gpu_ids"]) == (True, [], ["0", "1"])
    lines = (tmp_path / "out" / "gpu_metrics.csv").read_text().splitlines()
    assert lines[0] == (
        "timestamp, index, power.draw [W], temperature.gpu, clocks.current.sm [MHz], clocks.current.memory [MHz], "
        "utilization.gpu [%], utilization.memory [%]"
    )
    assert lines[1].split(", ")[1:] == ["0", "400.000 W", "[N/A]", "1900 MHz", "[N/A]", "50 %", "[N/A]"]


@pytest.mark.parametrize(
    ("power", "reason"),
    [
        (None, "telemetry_file_missing"),
        (steady_power((400.0,)), "expected_gpu_count_mismatch"),
        (steady_power(until_s=1.0), "benchmark_window_not_bracketed"),
        (steady_power(until_s=20.0, every_s=3.5), "sampling_gap_exceeded"),
        ([Device("GPU-0", "nvml", Boundary.BOARD, index=0)], "telemetry_file_missing"),
        (steady_power(until_s=-2.7), "insufficient_power_samples"),
    ],
)
def test_power_that_is_not_valid_says_why(tmp_path: Path, power: Any, reason: str) -> None:  # noqa: ANN401
    found = exported(make_run(tmp_path / "run", power=power), tmp_path / "out")
    assert found["agg_result.json"]["power_valid"] == 0
    assert not POWER & set(found["agg_result.json"])
    assert reason in found["power_validation_result.json"]["reasons"]
    assert any(reason in note for note in found["notes"])


def test_an_average_is_what_nvidia_smi_would_have_shown(tmp_path: Path) -> None:
    from dataclasses import replace

    power = [line if isinstance(line, Device) else replace(line, power_avg_w=450.0) for line in steady_power()]
    found = exported(make_run(tmp_path / "run", power=power), tmp_path / "out")  # type: ignore[arg-type]
    assert found["agg_result.json"]["avg_power_w"] == pytest.approx(450)


def test_a_cpu_and_a_board_of_others_are_left_out(tmp_path: Path) -> None:
    from dataclasses import replace

    other = [replace(line, device="OTHER") for line in steady_power((900.0,))]  # type: ignore[type-var]
    other[0] = Device("OTHER", "nvml", Boundary.BOARD, index=7, counted=False)
    host = [replace(line, device="cpu") for line in steady_power((90.0,))]  # type: ignore[type-var]
    host[0] = Device("cpu", "rapl", Boundary.CPU_PACKAGE)
    found = exported(make_run(tmp_path / "run", power=[*steady_power(), *other, *host]), tmp_path / "out")
    assert found["agg_result.json"]["avg_total_gpu_power_w"] == pytest.approx(1000)


def test_what_nobody_said_is_null_and_named(tmp_path: Path) -> None:
    record = make_run(tmp_path / "run", engine=None, settings={"model": "m"})
    found = exported(record, tmp_path / "out", ("tp=4", "precision=fp8", "dp_attention=true", "isl=1024"))
    whole = found["agg_result.json"]
    assert (whole["tp"], whole["precision"], whole["dp_attention"], whole["isl"]) == (4, "fp8", "true", 1024)
    assert (whole["hw"], whole["framework"], whole["osl"]) == (None, None, 4)
    assert "hw, framework" in found["notes"][0]
    environment = (tmp_path / "out" / "result.env").read_text()
    assert "# RUNNER_TYPE=   (not known)" in environment
    assert "TP=4\n" in environment
    assert whole["conc"] == 2  # the most that were in flight: an open loop has no other


def test_a_simulated_run_says_so_in_each_file(tmp_path: Path) -> None:
    found = exported(make_run(tmp_path / "run", engine=ENGINE | {"simulated": True}), tmp_path / "out")
    assert found["result.json"]["simulated"] is True
    assert found["agg_result.json"]["simulated"] is True


def test_what_the_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no TPOT"):
        exported(make_run(tmp_path / "one", [answered(0, [])]), tmp_path / "out")
    with pytest.raises(UsageError, match="disaggregated"):
        exported(make_run(tmp_path / "two", engine=ENGINE | {"disaggregated": {"prefill": 1}}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_equal_tpots_are_said_to_break_their_script(tmp_path: Path) -> None:
    found = exported(make_run(tmp_path / "run", [answered(0), answered(1)]), tmp_path / "out")
    assert found["agg_result.json"]["std_intvty"] is None
    assert any("divides by its deviation" in note for note in found["notes"])


SCRIPTS = os.environ.get("IMAX_INFERENCEX")


@pytest.mark.skipif(SCRIPTS is None, reason="IMAX_INFERENCEX names no InferenceX/utils")
def test_their_own_script_takes_it_and_finds_the_same(tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = exported(make_run(tmp_path / "run", power=steady_power((412.3, 598.7))), out)
    environment = dict(
        line.split("=", 1) for line in shlex.split((out / "result.env").read_text()) if not line.startswith("#")
    )
    (out / "agg_result.json").unlink()
    (out / "power_validation_result.json").unlink()
    script = Path(str(SCRIPTS)) / "process_result.py"
    subprocess.run(
        [sys.executable, script], cwd=out, check=True, capture_output=True,
        env={"PATH": os.environ["PATH"], "TZ": "Asia/Tokyo", "REQUIRE_POWER": "1", **environment},
    )  # fmt: skip
    theirs, ours = orjson.loads((out / "agg_result.json").read_bytes()), found["agg_result.json"]
    assert set(ours) - set(theirs) <= {"recipe_fingerprint", "power_metric_schema_version"}
    assert not set(theirs) - set(ours)
    for key, value in theirs.items():
        assert ours[key] == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value), key
    sidecar, made = (
        orjson.loads((out / "power_validation_result.json").read_bytes()),
        found["power_validation_result.json"],
    )
    assert (sidecar["power_valid"], sidecar["reasons"]) == (True, [])
    assert made["per_gpu_energy_j"] == pytest.approx(sidecar["per_gpu_energy_j"], rel=1e-6)
    assert made["per_gpu_sample_counts"] == sidecar["per_gpu_sample_counts"]


def test_their_published_measured_row() -> None:
    """B200, DeepSeek V4 FP4, vLLM, TP8, 8k/1k, concurrency 64, of 2026-09-04: all identities of joules and watts."""
    duration_s, queries, watts = 458.5, 640, 5_167.287
    total_tokens = 1_449.62 * 8 * duration_s
    output_tokens = round(watts * duration_s / 4.016)
    raw = {"completed": queries, "total_output_tokens": output_tokens,
           "total_input_tokens": round(total_tokens) - output_tokens}  # fmt: skip
    made = Integration(0.0, duration_s, 8, energy_j={str(gpu): watts / 8 * duration_s for gpu in range(8)})
    found = power_metrics(made, raw)
    assert found is not None
    assert found["avg_power_w"] == pytest.approx(645.911, abs=1e-3)
    assert found["total_gpu_energy_j"] == pytest.approx(2_369_319, rel=1e-4)
    assert found["joules_per_output_token"] == pytest.approx(4.016, abs=1e-3)
    assert found["joules_per_total_token"] == pytest.approx(0.4456, abs=1e-4)
