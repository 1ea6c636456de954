from dataclasses import replace
from pathlib import Path

import pytest

from imaxproxy.clock import NS_PER_S
from imaxproxy.errors import ImaxproxyError
from imaxproxy.power import NOW_NAME, Accrual, Boundary, Device, EventKind, PowerEvent, PowerLog, PowerSample, read_now

BOARD = Device("GPU-0", "nvml", Boundary.BOARD, counted_by="--power-devices")


def sample(at_s: float, device: str = "GPU-0", **values: float) -> PowerSample:
    return PowerSample(round(at_s * NS_PER_S), device, **values)  # type: ignore[arg-type]


def row_of(*lines: object) -> dict[str, object]:
    accrual = Accrual()
    for line in lines:
        accrual.add(line)  # type: ignore[arg-type]
    row = accrual.row()
    assert row is not None
    return row


def test_joules_are_the_counters_and_watts_the_newest_of_all_counted_boards() -> None:
    other = replace(BOARD, device="GPU-1")
    row = row_of(
        BOARD,
        other,
        sample(1, energy_mj=5_000.0, power_w=100.0),
        sample(1, "GPU-1", energy_mj=1_000.0, power_w=50.0),
        sample(2, power_w=300.0),  # the counter is read more seldom than the watts
        sample(3, energy_mj=405_000.0, power_w=200.0),
        sample(3, "GPU-1", energy_mj=101_000.0, power_w=60.0),
    )
    assert (row["energy_j"], row["watts"], row["boards"]) == (500.0, 260.0, 2)
    assert (row["since_ns"], row["time_ns"]) == (NS_PER_S, 3 * NS_PER_S)
    assert (row["boundary"], row["source"], row["simulated"]) == ("board", "nvml", False)


def test_without_a_counter_watts_are_added_up_over_time() -> None:
    row = row_of(BOARD, sample(0, power_w=100.0), sample(2, power_w=200.0), sample(3, power_avg_w=200.0))
    assert row["energy_j"] == 2 * 150.0 + 200.0


def test_a_sensor_that_was_lost_for_long_is_not_taken_to_have_gone_on() -> None:
    lost = PowerEvent(2 * NS_PER_S, EventKind.DEVICE_LOST, "GPU-0")
    row = row_of(BOARD, sample(1, energy_mj=0.0, power_w=100.0), lost)
    assert row["watts"] is None
    assert row_of(BOARD, sample(1, power_w=100.0), sample(1000, power_w=100.0))["energy_j"] == 10 * 100.0


@pytest.mark.parametrize(
    ("range_mj", "energy_j"),
    [(1_000_000.0, 200.0), (None, 0.0)],  # one that wraps, and one that began anew
)
def test_a_counter_that_falls(range_mj: float | None, energy_j: float) -> None:
    device = replace(BOARD, counter_range_mj=range_mj)
    assert row_of(device, sample(1, energy_mj=900_000.0), sample(2, energy_mj=100_000.0))["energy_j"] == energy_j


def test_what_is_not_counted_adds_nothing() -> None:
    accrual = Accrual()
    cpu = Device("cpu", "rapl", Boundary.CPU_PACKAGE, counted_by="source")
    for device in (replace(BOARD, counted=False), replace(BOARD, device="GPU-2", counted_by=None), cpu):
        accrual.add(device)
        accrual.add(sample(1, device.device, power_w=500.0))
    assert accrual.row() is None


def test_the_log_says_once_a_second_what_it_has_come_to(tmp_path: Path) -> None:
    now = tmp_path / NOW_NAME
    log = PowerLog((tmp_path / "power.jsonl").open("wb"), now)
    log.add(BOARD)
    assert read_now(now) is None
    seen = []
    for tenth in range(31):
        log.add(sample(tenth / 10, power_w=100.0))
        row = read_now(now)
        assert row is not None
        seen.append(row["time_ns"])
    assert sorted(set(seen)) == [0, NS_PER_S, 2 * NS_PER_S, 3 * NS_PER_S]
    log.close()
    assert not now.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "other"}'])
def test_what_is_none_of_ours_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / NOW_NAME
    path.write_text(text)
    with pytest.raises(ImaxproxyError, match=r"power-now\.json"):
        read_now(path)
