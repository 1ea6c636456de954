"""Recordings of others, brought onto a run's clock."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imaxproxy.clock import NS_PER_S
from imaxproxy.errors import ImaxproxyError
from imaxproxy.power import Boundary, Device, Mapping, PowerLog, PowerSample, Recording, read_power, window_energy
from imaxproxy.power.recorded import import_recording

UNIX_S = 1_795_665_600.0
CLOCK = {"source": "CLOCK_MONOTONIC", "monotonic_ns": 50 * NS_PER_S, "unix_s": UNIX_S}
HEADER = (
    "timestamp, index, power.draw [W], temperature.gpu, clocks.current.sm [MHz], clocks.current.memory [MHz], "
    "utilization.gpu [%], utilization.memory [%]"
)


def _smi(rows: list[str], header: str = HEADER) -> str:
    return "\n".join([header, *rows, ""])


def _row(at_s: float, index: int, watts: str) -> str:
    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(UNIX_S + at_s)) + f".{round(at_s % 1 * 1000):03d}"
    return f"{stamp}, {index}, {watts}, 41, 1980 MHz, 3201 MHz, 97 %, 55 %"


def _imported(tmp_path: Path, text: str | bytes, boards: Mapping | None = None) -> Recording:
    path = tmp_path / "recording"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    import_recording(path, tmp_path / "power.jsonl", CLOCK, boards or Mapping(devices="all"))
    return Recording.of(read_power(tmp_path / "power.jsonl"))


def test_nvidia_smis_csv_is_read_on_the_runs_clock(tmp_path: Path) -> None:
    rows = [_row(at, gpu, f"{300 + 100 * gpu}.25 W") for at in range(20) for gpu in (0, 1)]
    recording = _imported(tmp_path, _smi(rows), Mapping(devices="1"))
    (board,) = recording.counted
    assert (board.device.device, board.device.source, board.device.counted_by) == (
        "gpu-1",
        "nvidia-smi",
        "--power-devices",
    )
    assert board.times_ns[0] == 50 * NS_PER_S
    found = window_energy([board], 55 * NS_PER_S, 65 * NS_PER_S)
    assert found.energy_j == pytest.approx(4002.5)
    assert (found.method, "no_counter" in found.warnings) == ("integral_average", True)


def test_what_a_card_does_not_tell_is_not_known(tmp_path: Path) -> None:
    recording = _imported(tmp_path, _smi([_row(0, 0, "[N/A]"), _row(1, 0, "300.00 W")]))
    assert len(recording.counted[0].average) == 1


def test_a_last_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    recording = _imported(tmp_path, _smi([_row(0, 0, "300.00 W")]) + "2026/11/26 04:2")
    assert len(recording.counted[0].times_ns) == 1


@pytest.mark.parametrize("shift_s", [0, 90_000])
def test_our_own_recording_is_shifted_when_it_is_of_another_boot(tmp_path: Path, shift_s: int) -> None:
    path = tmp_path / "theirs"
    log = PowerLog(path.open("wb"))
    begin_ns = (50 + shift_s) * NS_PER_S
    log.add(Device("GPU-1", "nvml", Boundary.BOARD, begin_ns, round(UNIX_S * NS_PER_S)))
    log.add(PowerSample(begin_ns + NS_PER_S, "GPU-1", 300.0))
    log.close()
    recording = _imported(tmp_path, path.read_bytes())
    assert recording.counted[0].times_ns[0] == 51 * NS_PER_S


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: "", "recording:1: no column timestamp; it has nothing"),
        (lambda: "a, b\n1, 2\n", "no column timestamp; it has a, b"),
        (lambda: "timestamp, index\n", "no column power.draw"),
        (lambda: "timestamp, power.draw [W]\n", "no column index"),
        (lambda: _smi(["yesterday, 0, 3 W, 1, 2, 3, 4, 5"]), "recording:2: timestamp 'yesterday' is not like"),
        (lambda: '{"type": "sample", "time_ns": 1, "device": "a"}\n', "first line is no device with unix_ns"),
        (lambda: "{]\n", "recording:1: no line of power samples"),
    ],
)
def test_what_is_no_recording_is_said(tmp_path: Path, make: Callable[[], str], says: str) -> None:
    with pytest.raises(ImaxproxyError, match=says):
        _imported(tmp_path, make())
    assert not (tmp_path / "power.jsonl").exists()


def test_virtual_time_has_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    path.write_text(_smi([_row(0, 0, "3 W")]))
    with pytest.raises(ImaxproxyError, match="clock is virtual: no recording goes with it"):
        import_recording(path, tmp_path / "p", {"source": "virtual", "monotonic_ns": 0, "unix_s": None}, Mapping())
