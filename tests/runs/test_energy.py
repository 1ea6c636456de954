"""`energy` of summary.json: samples and exchanges of one run, joined."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import Exchange
from imaxproxy.power import Boundary, Device, EventKind, PowerEvent, PowerLine, PowerLog, PowerSample
from imaxproxy.runs import Journal, Manifest, RunDirectory, summarize
from tests.power.exchanges import load
from tests.power.sensor import Board, Poller, Sensor

S = NS_PER_S
BEGIN_S, END_S = 10.0, 40.0
LOAD = load(5, BEGIN_S, END_S - 5)
BOARD = Board([(0, 100.0), (LOAD[0].ask.sent_ns or 0, 400.0), (42 * S, 100.0)])


def _lines(
    change: Callable[[PowerSample], PowerSample | None] = lambda sample: sample, end: bool = True, **device: object
) -> list[PowerLine]:
    poller = Poller(Sensor(BOARD), 48.0)
    poller.device = replace(poller.device, **device)  # type: ignore[arg-type]
    lines: list[PowerLine] = []
    for line in poller.lines(3 * S, 46 * S):
        if not isinstance(line, PowerSample):
            lines.append(line)
        elif (changed := change(line)) is not None:
            lines.append(changed)
    detail = "cpu_s=0.100 wall_s=50.000 ticks=800 late=0 samples=800"
    return [*lines, PowerEvent(47 * S, EventKind.STOPPED, detail=detail)] if end else lines


def _run(
    path: Path,
    lines: Iterable[PowerLine] | None,
    exchanges: Iterable[Exchange] = LOAD,
    engine: dict[str, Any] | None = None,
    **settings: Any,  # noqa: ANN401
) -> RunDirectory:
    run = RunDirectory.create(path / "run", "replay")
    Manifest("replay", [], settings, engine=engine or {"gpu": "h200", "gpus": 1}, ended="finished").write(run)
    journal = Journal(run)
    for each in exchanges:
        journal.add(each)
    journal.close()
    if lines is not None:
        log = PowerLog(run.power.open("wb"))
        for line in lines:
            log.add(line)
        log.close()
    return run


def test_a_sound_run_has_all_figures_at_stated_boundaries(tmp_path: Path) -> None:
    summary = summarize(_run(tmp_path, _lines(), slo="ttft_ms<150", slice=5.0))
    energy = summary["energy"]
    assert (energy["valid"], energy["reasons"], energy["warnings"]) == (True, [], [])
    assert (energy["source"], energy["boundary"], energy["simulated"]) == ("nvml", "board", False)
    whole = energy["windows"]["whole"]
    begin_ns = LOAD[0].ask.sent_ns or 0
    truth_j = BOARD.between_j(begin_ns, begin_ns + round(summary["duration_s"] * S))
    assert whole["energy_j"] == pytest.approx(truth_j, rel=0.005)
    assert whole["power_w"] == pytest.approx(truth_j / summary["duration_s"], rel=0.005)
    tokens = summary["tokens"]
    assert whole["j_per_output_token"] * tokens["output"] == pytest.approx(whole["energy_j"])
    assert whole["j_per_total_token"] * (tokens["output"] + tokens["input"]) == pytest.approx(whole["energy_j"])
    assert whole["j_per_request"] * len(LOAD) == pytest.approx(whole["energy_j"])
    rate, per_mw = summary["throughput"]["output_tokens_per_s"], whole["output_tokens_per_s_per_mw"]
    assert per_mw["board"] == pytest.approx(rate / whole["power_w"] * 1e6)
    # 1.37 kW of IT power are provisioned for an H200 of 700 W, and its cooling by air takes 1.3
    assert per_mw["it"] == pytest.approx(rate / (whole["power_w"] + 670) * 1e6)
    assert per_mw["facility"] == pytest.approx(per_mw["it"] / 1.3)
    assert whole["output_tokens_per_s_per_w"] * whole["j_per_output_token"] == pytest.approx(1)
    assert whole["tdp_share"] == pytest.approx(whole["power_w"] / 700)
    good = summary["slo"]["whole"]["good"]
    assert whole["goodput_per_s_per_mw"]["board"] == pytest.approx(good / whole["energy_j"] * 1e6)
    assert whole["relative_error"] == pytest.approx(0.05, abs=0.01)
    assert {"PUE, air cooling", "h200 provisioned power, it"} == {each["name"] for each in energy["assumptions"]}


def test_idle_before_the_run_is_measured_and_shown_apart(tmp_path: Path) -> None:
    idle = summarize(_run(tmp_path, _lines()))["energy"]["idle"]
    assert (idle["power_w"], idle["basis"]) == (pytest.approx(100, rel=0.01), "before_run")
    assert idle["share"] == pytest.approx(100 / 400, rel=0.03)


def test_a_board_that_was_busy_before_the_run_has_no_idle_watts(tmp_path: Path) -> None:
    """As on an H200 whose engine was still warming up when the sampler began."""
    always = Poller(Sensor(Board([(0, 400.0)])), 48.0).lines(3 * S, 46 * S)
    energy = summarize(_run(tmp_path, always))["energy"]
    assert (energy["idle"]["power_w"], energy["idle"]["basis"]) == (None, "busy")
    assert "idle_was_busy" in energy["warnings"]
    assert energy["valid"]


def test_requests_add_up_to_the_window(tmp_path: Path) -> None:
    run = _run(tmp_path, _lines())
    energy = summarize(run)["energy"]
    rows = [orjson.loads(line) for line in run.energy.read_bytes().splitlines()]
    assert len(rows) == len(LOAD) == energy["requests"]["stats"]["count"]
    shared_j = sum(row["energy_j"] for row in rows)
    whole_j = energy["windows"]["whole"]["energy_j"]
    assert shared_j + energy["requests"]["unattributed_j"] == pytest.approx(whole_j, rel=1e-9)
    parts = ("prefill_j", "reasoning_j", "answer_j", "waiting_j")
    assert all(row["energy_j"] == pytest.approx(sum(row[part] for part in parts)) for row in rows)
    per_thousand = energy["windows"]["whole"]["j_per_1000_reasoning_tokens"]
    assert per_thousand == pytest.approx(energy["windows"]["whole"]["j_per_1000_answer_tokens"], rel=0.2)


def test_windows_and_slices_add_up(tmp_path: Path) -> None:
    summary = summarize(_run(tmp_path, _lines(), slice=5.0))
    windows = summary["energy"]["windows"]
    parts_j = sum(windows[name]["energy_j"] for name in ("warmup", "steady", "drain"))
    assert parts_j == pytest.approx(windows["whole"]["energy_j"], rel=1e-6)
    assert sum(part["energy_j"] for part in summary["timeslices"]) == pytest.approx(windows["whole"]["energy_j"])
    assert summary["energy"]["window"] == "steady"


def test_the_cost_of_electricity_is_of_what_was_measured(tmp_path: Path) -> None:
    summary = summarize(_run(tmp_path, _lines()))
    electricity = summary["cost"]["electricity"]
    assert (electricity["basis"], electricity["boundary"]) == ("measured", "it")


def test_what_was_counted_and_what_was_not_is_listed(tmp_path: Path) -> None:
    other = Device("GPU-1", "nvml", Boundary.BOARD, index=1, counted=False, counted_by="--power-devices")
    host = Device("cpu-package-0", "rapl", Boundary.CPU_PACKAGE, counter_update_ms=0.0)
    host_lines = [PowerSample(at * S, host.device, energy_mj=at * 90_000) for at in range(3, 46)]
    energy = summarize(_run(tmp_path, [other, host, *_lines(), *host_lines]))["energy"]
    assert [(each["device"], each["counted_by"]) for each in energy["devices"]] == [("GPU-0", "only_device")]
    assert [(each["device"], each["why"]) for each in energy["not_counted"]] == [
        ("GPU-1", "others are counted, --power-devices")
    ]
    (cpu,) = energy["host"]
    assert (cpu["boundary"], cpu["power_w"]) == ("cpu_package", pytest.approx(90))
    assert energy["sampler"]["cpu_share"] == pytest.approx(0.002)


def _sound_but_for_energy(path: Path, lines: list[PowerLine] | None, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401
    """The run's `energy`; all else is what it is without power."""
    summary = summarize(_run(path / "with", lines, **kwargs))
    plain = summarize(_run(path / "without", None, **kwargs))
    changed = {key for key in summary if summary[key] != plain[key]}
    assert changed <= {"energy", "cost", "started_at"}, changed
    energy: dict[str, Any] = summary["energy"]
    return energy


def _only_joules(sample: PowerSample, energy_mj: float) -> PowerSample:
    return PowerSample(sample.time_ns, sample.device, energy_mj=energy_mj)


@pytest.mark.parametrize(
    ("lines", "kwargs", "reason"),
    [
        (_lines(counted_by=None), {}, "gpus_not_mapped"),
        (_lines(), {"engine": {"gpu": "h200", "gpus": 8}}, "gpu_count_mismatch"),
        (_lines(lambda _: None), {}, "no_usable_samples"),
        (_lines(lambda s: s if s.time_ns < 30 * S else None), {}, "window_not_bracketed"),
        ([*_lines(), PowerEvent(30 * S, EventKind.LIMIT_CHANGED, "GPU-0")], {}, "limit_changed"),
        (_lines(lambda s: replace(s, power_w=s.power_w * 2, power_avg_w=s.power_avg_w * 2)), {}, "crosscheck_failed"),
        ([], {}, "no_usable_samples"),
        # a clock that jumps, a gap at the beginning, a counter that begins again or stands, and nothing beside it
        (_lines(lambda s: replace(s, time_ns=s.time_ns - 2 * S * (30 < s.time_ns / S < 30.2))), {}, "clock_jumped"),
        (_lines(lambda s: None if 9.5 * S < s.time_ns < 13.5 * S else s), {}, "sampling_gap"),
        (_lines(lambda s: _only_joules(s, s.energy_mj - 1e6 * (s.time_ns > 30 * S))), {}, "counter_reset"),
        (_lines(lambda s: _only_joules(s, min(s.energy_mj, 8e6))), {}, "counter_stuck"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_power_leaves_the_latencies_alone(
    tmp_path: Path, lines: list[PowerLine], kwargs: dict[str, Any], reason: str
) -> None:
    energy = _sound_but_for_energy(tmp_path, lines, **kwargs)
    assert not energy["valid"]
    assert reason in energy["reasons"]


@pytest.mark.parametrize(
    ("lines", "warning"),
    [
        (_lines(end=False), "sampler_ended_early"),
        ([*_lines(), PowerEvent(30 * S, EventKind.SOURCE_LOST)], "source_lost"),
        ([*_lines(), PowerEvent(30 * S, EventKind.FOREIGN_PROCESS, "GPU-0")], "foreign_process"),
        (_lines(notes=("mig",)), "mig"),
        (_lines(lambda s: replace(s, throttle=4)), "throttled"),
        (_lines(lambda s: s if s.time_ns > 9.5 * S else None), "no_idle_baseline"),
        (_lines(lambda s: replace(s, power_w=-5.0) if s.time_ns % 7 == 0 else s), "bad_samples"),
        (_lines(lambda s: replace(s, energy_mj=-1.0) if s.time_ns % 7 == 0 else s), "bad_samples"),
        (_lines(lambda s: replace(s, energy_mj=s.energy_mj - 1e6 * (s.time_ns > 30 * S))), "counter_reset"),
    ],
)
def test_what_needs_to_be_known_is_a_warning(tmp_path: Path, lines: list[PowerLine], warning: str) -> None:
    energy = _sound_but_for_energy(tmp_path, lines)
    assert energy["valid"], energy["reasons"]
    assert warning in energy["warnings"]


def test_a_broken_file_is_a_reason_and_no_power_is_null(tmp_path: Path) -> None:
    run = _run(tmp_path, _lines())
    run.power.write_bytes(b"{}\n" + run.power.read_bytes())
    energy = summarize(run)["energy"]
    assert energy["reasons"] == ["power_file_unreadable"]
    assert "power.jsonl:1" in energy["detail"]
    run.power.unlink()
    assert summarize(run)["energy"] is None


def test_a_source_that_could_not_be_opened_is_said(tmp_path: Path) -> None:
    energy = summarize(_run(tmp_path, None, power_unavailable="NVML: no NVIDIA driver"))["energy"]
    assert (energy["valid"], energy["reasons"]) == (False, ["source_not_opened"])
    assert energy["detail"] == "NVML: no NVIDIA driver"


def test_a_run_without_exchanges_has_no_window_to_speak_of(tmp_path: Path) -> None:
    energy = summarize(_run(tmp_path, _lines(), exchanges=[]))["energy"]
    assert not energy["valid"]
