"""`imaxproxy power join`, on runs of an H200 whose power was recorded beside them."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.command import Command
from imaxproxy.runs import RunDirectory, summarize

FOLDER = Path(__file__).parents[1] / "data" / "gpu" / "h200-transformers-c8"


@pytest.fixture
def run(command: Command) -> Path:
    """A finished run without power."""
    folder = command.folder / "run"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("power.jsonl", "summary.json"))
    return folder


def _csv(path: Path, shift_s: float = 0.0) -> Path:
    """The same samples, as nvidia-smi would have written them on this host."""
    clock = orjson.loads((FOLDER / "manifest.json").read_bytes())["clock"]
    lines = ["timestamp, index, power.draw [W]"]
    for row in map(orjson.loads, (FOLDER / "power.jsonl").read_bytes().splitlines()):
        if row["type"] == "sample" and "power_avg_w" in row:
            at_s = clock["unix_s"] + (row["time_ns"] - clock["monotonic_ns"]) / 1e9 + shift_s
            stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(at_s))
            lines.append(f"{stamp}.{int(at_s % 1 * 1000):03d}, 0, {row['power_avg_w']:.2f} W")
    path.write_text("\n".join(lines) + "\n")
    return path


def _energy(summary: dict[str, Any]) -> float:
    energy_j: float = summary["energy"]["windows"]["whole"]["energy_j"]
    return energy_j


def test_a_recording_of_ours_gives_a_run_its_energy_afterwards(command: Command, run: Path) -> None:
    done = command.run("power", "join", run, FOLDER / "power.jsonl", "--json").check(0)
    shutil.copytree(FOLDER, run.parent / "measured")
    known = summarize(RunDirectory(run.parent / "measured"))  # as if its own sampler had written it
    assert _energy(done.json) == pytest.approx(_energy(known), rel=1e-9)
    assert done.json["ttft_ms"]["p50"] == known["ttft_ms"]["p50"]
    assert orjson.loads((run / "manifest.json").read_bytes())["settings"]["power_sources"] == [
        f"file:{FOLDER / 'power.jsonl'}"
    ]
    again = command.run("report", run, "--json").check(0)  # it is the run's own from now on
    assert _energy(again.json) == _energy(done.json)


@pytest.mark.parametrize("shift_s", [0.0, -7200.0])
def test_a_csv_of_nvidia_smi_is_joined_on_the_wall_clock(command: Command, run: Path, shift_s: float) -> None:
    recording = _csv(command.folder / "smi.csv", shift_s)
    done = command.run("power", "join", run, recording, "--shift", -shift_s, "--json").check(0)
    known = orjson.loads((FOLDER / "summary.json").read_bytes())
    assert done.json["energy"]["windows"]["whole"]["method"] == "integral_average"
    assert _energy(done.json) == pytest.approx(_energy(known), rel=0.05)  # its edges are a second's mean


def test_a_recording_of_another_hour_is_refused_with_both_times(command: Command, run: Path) -> None:
    says = command.run("power", "join", run, _csv(command.folder / "smi.csv", -7200.0)).complaint()
    assert "--shift S if a clock" in says
    assert sorted(path.name for path in run.iterdir()) == ["exchanges-0.jsonl", "manifest.json", "meter-0.jsonl"]


def _empty(run: Path) -> None:
    (run.parent / "rec").write_text("timestamp, index, power.draw [W]\n")


def _measured(run: Path) -> None:
    shutil.copy(FOLDER / "power.jsonl", run.parent / "rec")
    shutil.copy(FOLDER / "power.jsonl", run)


def _simulated(run: Path) -> None:
    shutil.copy(FOLDER / "power.jsonl", run.parent / "rec")
    manifest = orjson.loads((run / "manifest.json").read_bytes())
    manifest["engine"] = {**(manifest["engine"] or {}), "simulated": True}
    (run / "manifest.json").write_bytes(orjson.dumps(manifest))


def _without_manifest(run: Path) -> None:
    shutil.copy(FOLDER / "power.jsonl", run.parent / "rec")
    (run / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (_empty, "rec holds no sample"),
        (_measured, "has a power.jsonl of its own: give --replace"),
        (_simulated, "is simulated: its boards are modelled"),
        (_without_manifest, "has no manifest.json: nothing tells its clock"),
    ],
)
def test_what_cannot_be_joined_is_said_and_changes_nothing(
    command: Command, run: Path, prepare: Callable[[Path], None], says: str
) -> None:
    prepare(run)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    assert says in command.run("power", "join", run, "rec").complaint()
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_power_of_its_own_is_replaced_when_told(command: Command, run: Path) -> None:
    _measured(run)
    done = command.run("power", "join", run, _csv(command.folder / "smi.csv"), "--replace", "--json").check(0)
    assert done.json["energy"]["source"] == "nvidia-smi"
