"""power.jsonl as a file."""

import io
from pathlib import Path

import pytest

from imaxproxy.errors import ImaxproxyError
from imaxproxy.power import Boundary, Device, PowerLog, PowerSample, read_power

LINES = [Device("GPU-1", "nvml", Boundary.BOARD, 1), PowerSample(2, "GPU-1", 100.0), PowerSample(3, "GPU-1", 101.0)]


def _written() -> bytes:
    file = io.BytesIO()
    log = PowerLog(file)
    for line in LINES:
        log.add(line)
    return file.getvalue()


def test_what_was_logged_is_read(tmp_path: Path) -> None:
    (tmp_path / "power.jsonl").write_bytes(_written())
    assert list(read_power(tmp_path / "power.jsonl")) == LINES


def test_a_killed_samplers_last_line_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "power.jsonl").write_bytes(_written()[:-5])
    assert list(read_power(tmp_path / "power.jsonl")) == LINES[:-1]


@pytest.mark.parametrize("broken", [b"{nonsense\n", b'{"type": "sample"}\n', b"\xff\xfe\n", b"null\n"])
def test_a_broken_line_is_named(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "power.jsonl"
    path.write_bytes(_written() + broken)
    with pytest.raises(ImaxproxyError, match=r"power\.jsonl:4: no line of power samples: .*; remove it"):
        list(read_power(path))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ImaxproxyError, match=r"cannot read .*: No such file"):
        list(read_power(tmp_path / "power.jsonl"))
