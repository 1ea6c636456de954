"""Power of several machines as one: each board once, as whoever counts it saw it."""

from pathlib import Path
from typing import Any

import orjson

from imaxproxy.runs.merged_samples import merged_power


def power(path: Path, *devices: dict[str, Any], start_ns: int = 0) -> Path:
    """Two samples of each counted device, as the sampler writes them."""
    rows: list[dict[str, Any]] = [{"type": "device", "source": "nvml", "boundary": "board", **each} for each in devices]
    for number in range(2):
        rows += [
            {"type": "sample", "device": each["device"], "time_ns": start_ns + number, "power_w": each.get("w", 100)}
            for each in devices
            if each.get("counted", True)
        ]
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def merged(*parts: tuple[Path, str | None, int]) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in merged_power(parts)]


def samples(rows: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    return [(row["device"], row["time_ns"], row["power_w"]) for row in rows if row["type"] == "sample"]


COUNTED = {"counted": True, "counted_by": "pids"}
LEFT_OUT = {"counted": False, "counted_by": "pids"}


def test_the_boards_of_all_nodes_stand_side_by_side(tmp_path: Path) -> None:
    first = power(tmp_path / "a", {"device": "GPU-a", **COUNTED}, start_ns=10)
    second = power(tmp_path / "b", {"device": "GPU-b", "w": 200, **COUNTED}, start_ns=5)
    rows = merged((first, None, 0), (second, None, 0))
    assert samples(rows) == [("GPU-b", 5, 200), ("GPU-b", 6, 200), ("GPU-a", 10, 100), ("GPU-a", 11, 100)]


def test_a_board_that_two_nodes_see_counts_once(tmp_path: Path) -> None:
    """Two nodes of Ray on one machine, or one exporter asked by both."""
    first = power(tmp_path / "a", {"device": "GPU-a", **COUNTED})
    second = power(tmp_path / "b", {"device": "GPU-a", "w": 101, **COUNTED})
    rows = merged((first, None, 0), (second, None, 0))
    assert samples(rows) == [("GPU-a", 0, 100), ("GPU-a", 1, 100)]
    assert len([row for row in rows if row["type"] == "device"]) == 1


def test_it_is_whose_that_counts_it(tmp_path: Path) -> None:
    """Both see both boards, and each has one of them under its part of the engine."""
    first = power(tmp_path / "a", {"device": "GPU-a", **COUNTED}, {"device": "GPU-b", **LEFT_OUT})
    second = power(tmp_path / "b", {"device": "GPU-a", **LEFT_OUT}, {"device": "GPU-b", "w": 200, **COUNTED})
    rows = merged((first, None, 0), (second, None, 0))
    assert samples(rows) == [("GPU-a", 0, 100), ("GPU-b", 0, 200), ("GPU-a", 1, 100), ("GPU-b", 1, 200)]
    assert [(row["device"], row["counted"]) for row in rows if row["type"] == "device"] == [
        ("GPU-a", True), ("GPU-b", True),
    ]  # fmt: skip


def test_what_is_no_board_gets_its_hosts_name_where_one_is_given(tmp_path: Path) -> None:
    cpu = {"device": "package-0", "boundary": "cpu_package"}
    first, second = power(tmp_path / "a", cpu), power(tmp_path / "b", cpu)
    assert {name for name, _, _ in samples(merged((first, "x", 0), (second, "y", 7)))} == {"x:package-0", "y:package-0"}
    assert {name for name, _, _ in samples(merged((first, None, 0)))} == {"package-0"}
