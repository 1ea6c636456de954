"""`imaxproxy sweep`: virtual, simulated, real and running engines, over real processes."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from scripted_engine import Script, ScriptedEngine

from cli.command import Command, until, write_trace
from cli.fake_environment import fake_environment
from imaxproxy.cli.sweep import sweep
from imaxproxy.launch import load_recipe
from imaxproxy.sweep import DONE, FAILED, PENDING, SKIPPED

VIRTUAL = """schema = "imaxproxy.sweep/1"
concurrency = [1, 2]
[workload.tiny]
input_length = 20
output_length = 8
[recipe.fixed]
engine = "fixed-5ms"
"""
B200 = """
[recipe.b200]
engine = "gpt-oss-120b-b200-vllm"
set.parallel.tp = [1, 3]
"""


def write(command: Command, text: str) -> Path:
    path = command.folder / "sweep.toml"
    path.write_text(text)
    return path


def states(command: Command, out: str = "out") -> dict[str, tuple[str, str | None]]:
    record = json.loads((command.folder / out / "sweep.json").read_text())
    return {point["run"]: (point["state"], point["reason"]) for point in record["points"]}


def test_points_are_runs_that_the_frontier_takes_and_a_failed_one_has_its_reason(command: Command) -> None:
    path = write(command, VIRTUAL + B200)
    done = command.run("sweep", path, "--out", "out", "--jobs", "2").check(1)
    found = states(command)
    assert [found[f"tiny/{name}"] for name in ("fixed-c1", "fixed-c2", "b200-tp1-c2")] == [(DONE, None)] * 3
    state, reason = found["tiny/b200-tp3-c1"]
    assert state == FAILED
    assert "tp 3 does not divide the 64 attention heads" in (reason or "")
    assert "SIMULATED" in done.out
    assert "tp 3 does not divide" in done.out
    assert "imaxproxy frontier out/tiny" in done.out
    assert "6 of 6 points" in done.err
    machines = command.run("frontier", "out/tiny", "--by", "recipe", "--json").check(0).json["machines"]
    assert {machine["name"] for machine in machines} >= {"b200-tp1"}


def test_again_it_plays_only_what_is_not_done(command: Command) -> None:
    path = write(command, VIRTUAL)
    first = command.run("sweep", path, "--out", "out", "--json").check(0).json
    assert [point["state"] for point in first["points"]] == [DONE, DONE]
    assert first["points"][0]["figures"]["interactivity"] == pytest.approx(200, rel=0.01)
    whole, half = (command.folder / "out" / "tiny" / name for name in ("fixed-c1", "fixed-c2"))
    made_by = json.loads((whole / "manifest.json").read_text())["argv"]
    assert made_by[:2] == ["imaxproxy", "replay"]
    before = (whole / "summary.json").stat().st_mtime_ns
    summary = (half / "summary.json").read_bytes()
    (half / "summary.json").write_bytes(summary[: len(summary) // 2])  # as a crash of the machine may leave it
    again = command.run("sweep", path, "--out", "out", "--json").check(0)
    assert [point["state"] for point in again.json["points"]] == [DONE, DONE]
    assert (whole / "summary.json").stat().st_mtime_ns == before
    assert json.loads((half / "summary.json").read_bytes())["ended"] == "finished"
    assert "fixed-c1 done" not in again.err
    path.write_text(VIRTUAL.replace("[1, 2]", "[1, 3]"))
    assert "out holds a sweep of another spec" in command.run("sweep", path, "--out", "out").complaint()


def test_a_curve_ends_past_its_knee_unless_told_not_to(command: Command) -> None:
    recipe = load_recipe("fixed-5ms").path.read_text()
    (command.folder / "one.toml").write_text(f"{recipe}\n[limits]\nmax_num_seqs = 1\n")
    text = VIRTUAL.replace("fixed-5ms", "one.toml").replace("[1, 2]", "[2, 4, 8, 16]")
    path = write(command, text)
    command.run("sweep", path, "--out", "out").check(0)
    assert [state for state, _ in states(command).values()] == [DONE, DONE, DONE, SKIPPED]
    assert "less than 5% above the best" in (states(command)["tiny/fixed-c16"][1] or "")
    command.run("sweep", path, "--out", "out", "--no-knee").check(0)
    assert [state for state, _ in states(command).values()] == [DONE] * 4


def test_live_engines_simulated_and_at_a_url(
    command: Command, start_engine: Callable[[Script], ScriptedEngine]
) -> None:
    write_trace(command.folder / "trace.jsonl", 4)
    text = """schema = "imaxproxy.sweep/1"
concurrency = [2]
[flags]
timeout = 5
[workload.trace]
trace = "trace.jsonl"
[recipe.nobody]
url = "http://127.0.0.1:1/v1"
[recipe.fixed]
engine = "fixed-5ms"
mode = "simulate"
[recipe.fixed-virtual]
engine = "fixed-5ms"
"""
    command.run("sweep", write(command, text), "--out", "out").check(1)
    found = states(command)
    assert found["trace/fixed-c2"] == found["trace/fixed-virtual-c2"] == (DONE, None)
    assert found["trace/nobody-c2"][0] == FAILED
    assert (command.folder / "out" / "trace" / "fixed-c2" / "engine-truth.jsonl").exists()


def test_a_real_engine_is_started_once_for_all_its_points(command: Command, tmp_path: Path) -> None:
    command.environment["XDG_RUNTIME_DIR"] = str(tmp_path)
    environment = fake_environment(tmp_path)
    text = (
        VIRTUAL.replace('"fixed-5ms"', '"tiny-cpu-vllm"\nmode = "real"')
        + f"""
[flags]
engine-env = "{environment}"
"""
    )
    done = command.run("sweep", write(command, text), "--out", "out").check(0)
    assert done.err.count("is ready") == 1
    assert set(states(command).values()) == {(DONE, None)}
    assert command.family() == []


def test_an_engine_that_does_not_come_up_is_tried_once(command: Command, tmp_path: Path) -> None:
    command.environment["XDG_RUNTIME_DIR"] = str(tmp_path)
    log = Path(__file__).parents[1] / "data" / "launch" / "vllm-fail-badflag.log"
    environment = fake_environment(tmp_path, "--log", log, "--exit", 2)
    text = VIRTUAL.replace('"fixed-5ms"', '"tiny-cpu-vllm"\nmode = "real"') + f'[flags]\nengine-env = "{environment}"\n'
    done = command.run("sweep", write(command, text), "--out", "out").check(1)
    assert [state for state, _ in states(command).values()] == [FAILED, FAILED]
    assert len({reason for _, reason in states(command).values()}) == 1
    assert done.err.count("imaxproxy: starting") == 1


def test_ctrl_c_leaves_what_is_done_and_the_same_command_goes_on(command: Command) -> None:
    # Ctrl-C may come between the opening of a file and whoever closes it: the collector does.
    command.environment["PYTHONWARNINGS"] = "error,ignore::ResourceWarning"
    text = VIRTUAL.replace("[1, 2]", "[1, 8]").replace('"fixed-5ms"', '"fixed-5ms"\nmode = "simulate"')
    path = write(command, text.replace("output_length = 8", "output_length = 12"))
    started = command.start("sweep", path, "--out", "out")
    started.says("fixed-c1 done")
    started.send(signal.SIGINT, group=True)
    assert "the same command goes on" in started.wait().check(130).err
    again = command.run("sweep", path, "--out", "out").check(0)
    assert "fixed-c1 done" not in again.err
    assert set(states(command).values()) == {(DONE, None)}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_a_virtual_sweep_leaves_no_process_behind(command: Command, number: int, code: int) -> None:
    text = VIRTUAL.replace("[1, 2]", "[1, 64]").replace("output_length = 8", "output_length = 40000")
    started = command.start("sweep", write(command, text), "--out", "out")
    started.says("fixed-c1 done")
    started.send(number)
    started.wait().check(code)
    until(lambda: not command.family(), "all processes to end")
    assert not (command.folder / "out" / "tiny" / "fixed-c64" / "summary.json").exists()


def test_a_dry_run_lists_replays_and_leaves_nothing(command: Command) -> None:
    done = command.run("sweep", write(command, VIRTUAL), "--dry-run", "--out", "out").check(0)
    assert done.out.splitlines()[1].startswith("imaxproxy replay out/traces/tiny-2-virtual.toml --engine fixed-5ms")
    points = command.run("sweep", "sweep.toml", "--dry-run", "--json").check(0).json["points"]
    assert [point["run"] for point in points] == [f"imax-runs/sweep-sweep/tiny/fixed-c{load}" for load in (1, 2)]
    assert not (command.folder / "out").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("sloo = 1", "sweep.toml:9: flags.sloo: replay has no such flag"),
        ("concurrency = 3", "sweep.toml:9: flags.concurrency: the sweep sets it"),
        ('api-key = "secret"', "sweep.toml:9: flags.api-key: a key is no part of a spec"),
        ('timeout = "soon"', "recipe.fixed: replay says: Invalid value for '--timeout'"),
    ],
)
def test_flags_that_replay_would_not_take(command: Command, flags: str, says: str) -> None:
    assert says in command.run("sweep", write(command, f"{VIRTUAL}[flags]\n{flags}\n"), "--out", "out").complaint()
    assert not (command.folder / "out").exists()


def test_it_goes_on_where_a_kill_came_before_the_first_point(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is known for a sweep's from its first file on."""
    path, out = write(command, VIRTUAL), command.folder / "out"
    out.mkdir()
    (out / ".lock").touch()
    (out / "sweep.json.part").write_text("{")

    def killed(_curves: object) -> None:
        assert {file.name for file in out.iterdir()} == {".lock", "sweep.json"}
        (out / "traces").mkdir()
        raise SystemExit(137)

    monkeypatch.setattr("imaxproxy.cli.sweep._write_files", killed)
    assert CliRunner().invoke(sweep, [str(path), "--out", str(out)]).exit_code == 137
    assert set(states(command).values()) == {(PENDING, None)}
    command.run("sweep", path, "--out", "out").check(0)


def test_a_folder_of_something_else_is_left_alone(command: Command) -> None:
    (command.folder / "out").mkdir()
    (command.folder / "out" / "thesis.txt").touch()
    assert "holds something else" in command.run("sweep", write(command, VIRTUAL), "--out", "out").complaint()


def test_a_url_that_is_none_is_named_before_anything_is_played(command: Command) -> None:
    path = write(command, VIRTUAL.replace('engine = "fixed-5ms"', 'url = "127.0.0.1"'))
    complaint = command.run("sweep", path, "--out", "out", "--dry-run").complaint()
    assert "recipe.fixed: url must be like http://127.0.0.1:8000/v1" in complaint
