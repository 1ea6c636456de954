"""The sampler as a process, with real pynvml over the fake driver."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.power import EventKind, Mapping, PowerEvent, PowerSample, SamplerProcess, SourceError, read_power

Driver = Callable[..., None]


def _until(path: Path, is_there: Callable[[list[object]], bool], timeout_s: float = 20.0) -> list[object]:
    """The file's lines, once they hold what is waited for."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if is_there(lines := list(read_power(path))):
            return lines
        time.sleep(0.05)
    raise AssertionError(f"not in {path} within {timeout_s} s")


def _samples(lines: list[object]) -> list[PowerSample]:
    return [line for line in lines if isinstance(line, PowerSample)]


def test_it_brackets_what_runs_between_start_and_stop(driver: Driver, tmp_path: Path) -> None:
    driver(gpus=2)
    sampler = SamplerProcess(tmp_path / "power.jsonl", ["nvml"], Mapping(devices="1"), calibrate_s=0.8)
    begun_ns = time.monotonic_ns()
    devices = sampler.start()
    assert [device.counted for device in devices] == [False, True]
    assert devices[1].counter_update_ms == pytest.approx(100, rel=0.2)
    assert sampler.stop()
    lines = list(read_power(tmp_path / "power.jsonl"))
    times_ns = [sample.time_ns for sample in _samples(lines)]
    assert begun_ns < times_ns[0] < times_ns[-1] < time.monotonic_ns()
    assert isinstance(lines[-1], PowerEvent)
    assert lines[-1].event is EventKind.STOPPED


def test_it_says_that_a_board_was_lost_and_came_back(driver: Driver, tmp_path: Path) -> None:
    driver(lost_after=300, back_after=900)
    sampler = SamplerProcess(tmp_path / "power.jsonl", ["nvml"], Mapping(), calibrate_s=0.0)
    sampler.start()
    kinds = {EventKind.SOURCE_LOST, EventKind.SOURCE_BACK}

    def both(lines: list[object]) -> bool:
        return kinds <= {line.event for line in lines if isinstance(line, PowerEvent)}

    lines = _until(tmp_path / "power.jsonl", both)
    assert sampler.stop()
    lost = next(line for line in lines if isinstance(line, PowerEvent))
    assert lost.detail is not None
    assert "lost" in lost.detail.lower()


def test_no_driver_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    sampler = SamplerProcess(tmp_path / "power.jsonl", ["dcgm:http://127.0.0.1:9"], Mapping())
    with pytest.raises(SourceError, match="DCGM exporter"):
        sampler.start()


@pytest.mark.parametrize("spec", ["nvlm", "dcgm", "nvml:3", ""])
def test_an_unknown_source_is_said(spec: str, tmp_path: Path) -> None:
    from imaxproxy.power.opening import opener

    with pytest.raises(UsageError, match="no such source; known: auto, nvml, amdsmi, rapl, dcgm:URL"):
        opener(spec)


def test_boards_that_are_not_here_are_said_before_the_run(driver: Driver, tmp_path: Path) -> None:
    driver(gpus=1)
    with pytest.raises(SourceError, match="--power-devices 5 names no board"):
        SamplerProcess(tmp_path / "power.jsonl", ["nvml"], Mapping(devices="5")).start()


def test_it_ends_when_the_command_is_killed(driver: Driver, tmp_path: Path) -> None:
    driver()
    path = tmp_path / "power.jsonl"
    pid = os.fork()
    if pid == 0:  # the command: starts a sampler and is killed
        try:
            SamplerProcess(path, ["nvml"], Mapping(), calibrate_s=0.0).start()
            signal.pause()
        finally:
            os._exit(1)
    _until(path, lambda lines: len(_samples(lines)) > 2) if path.exists() else _until_there(path)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    _until(path, lambda lines: any(isinstance(line, PowerEvent) for line in lines))


def _until_there(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not (path.exists() and path.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)


def test_a_file_that_cannot_be_written_is_an_error(driver: Driver, tmp_path: Path) -> None:
    driver()
    with pytest.raises(SourceError, match="cannot write"):
        SamplerProcess(tmp_path / "none" / "power.jsonl", ["nvml"], Mapping()).start()
