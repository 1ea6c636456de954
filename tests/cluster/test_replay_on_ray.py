"""`imaxproxy replay --ray` on real raylets, which are real nodes to Ray: on loopback, with one clock that all read."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.command import Command, Done, lines_of, until, write_trace
from scripted_engine import Script, ScriptedEngine, answering, whole_stream

import imaxproxy
from cluster.conftest import Raylets
from imaxproxy.runs import RunDirectory, summarize

pytestmark = pytest.mark.ray
StartEngine = Callable[[Script], ScriptedEngine]
DEADLINE_S = 120.0
FLAGS = ("--rate", 100, "--seed", 3, "--salt", "a", "--calibrate", "never")


@pytest.fixture
def engine(start_engine: StartEngine) -> ScriptedEngine:
    return start_engine(answering(*whole_stream(3)))


def on_ray(command: Command, raylets: Raylets, engine: ScriptedEngine, out: str, *flags: object) -> Done:
    return command.start(*line(command, raylets, engine, out, *flags)).wait(DEADLINE_S)


def line(command: Command, raylets: Raylets, engine: ScriptedEngine, out: str, *flags: object) -> tuple[object, ...]:
    (command.folder / "nodes").mkdir(exist_ok=True)
    asked = ("--ray", raylets.address, "--node-dir", command.folder / "nodes", "--out", out, "--json")
    return ("replay", "trace.jsonl", "--url", engine.url, *FLAGS, *asked, *flags)


def schedule(folder: Path) -> dict[str, int]:
    rows = [row for path in sorted(folder.glob("exchanges-*.jsonl")) for row in lines_of(path)]
    first_ns = min(row["scheduled_ns"] for row in rows)
    assert len({row["request_id"] for row in rows}) == len(rows)
    return {row["request_id"]: row["scheduled_ns"] - first_ns for row in rows}


def manifest_of(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "manifest.json").read_bytes()))


def nothing_is_left(command: Command, raylets: Raylets) -> None:
    until(lambda: not raylets.workers(), "the workers to end")
    assert not list((command.folder / "nodes").iterdir())


def test_one_schedule_on_any_number_of_nodes(
    command: Command, raylets: Raylets, engine: ScriptedEngine, tmp_path: Path
) -> None:
    write_trace(tmp_path / "trace.jsonl", 96)
    command.run("replay", "trace.jsonl", "--url", engine.url, *FLAGS, "--out", "alone").check(0)
    bodies = sorted(request.body for request in engine.requests if request.body)
    for nodes, each in ((1, 1), (2, 1), (3, 4)):
        engine.requests.clear()
        out = f"on-{nodes}x{each}"
        done = on_ray(command, raylets, engine, out, "--nodes", nodes, "--workers-per-node", each).check(0)
        summary: dict[str, Any] = done.json
        assert (summary["ended"], summary["requests"]["completed"], summary["shares"]["of"]) == ("finished", 96, nodes)
        assert schedule(tmp_path / out) == schedule(tmp_path / "alone")
        assert sorted(request.body for request in engine.requests if request.body) == bodies
        # The nodes have one clock in truth: what the exchange says of it must be right within its own error.
        shares = manifest_of(tmp_path / out)["shares"]
        assert len({record["node"] for record in shares}) == nodes
        for record in shares:
            for when in ("before", "after"):
                found = record["start"][when]
                assert abs(found["offset_ns"]) <= found["error_ms"] * 1e6
                assert 0 < found["error_ms"] < 50
            assert record["start"]["late_ms"] == 0
        assert 0 <= summary["shares"]["start_error_ms"] < 50
        assert done.err.count("imaxproxy: clock of node") == nodes
        by_nodes = (tmp_path / out / "summary.json").read_bytes()
        summarize(RunDirectory(tmp_path / out))
        assert (tmp_path / out / "summary.json").read_bytes() == by_nodes
    nothing_is_left(command, raylets)


def test_sessions_stay_whole_on_a_node(
    command: Command, raylets: Raylets, engine: ScriptedEngine, tmp_path: Path
) -> None:
    rows = [
        {"request_id": f"{s}-{t}", "session_id": f"s{s}", "timestamp": 10 * s, "input_length": 20, "output_length": 4}
        for s in range(12)
        for t in range(3)
    ]
    (tmp_path / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ("--rate", 60, "--workers-per-node", 2)
    on_ray(command, raylets, engine, "run", *flags).check(0)
    journals = [lines_of(path) for path in (tmp_path / "run").glob("exchanges-*.jsonl")]
    sessions = [{row["session_id"] for row in journal} for journal in journals]
    assert len(sessions) == 6
    assert sum(map(len, sessions)) == len(set().union(*sessions)) == 12


def test_repeats_are_played_by_the_same_nodes(
    command: Command, raylets: Raylets, engine: ScriptedEngine, tmp_path: Path
) -> None:
    write_trace(tmp_path / "trace.jsonl", 30)
    done = on_ray(command, raylets, engine, "run", "--nodes", 2, "--repeat", 2).check(0)
    assert (done.json["runs"], len(done.json["figures"]["ttft_ms.p50"]["values"])) == (["repeat-1", "repeat-2"], 2)
    first, second = (tmp_path / "run" / f"repeat-{number}" for number in (1, 2))
    assert schedule(first) == schedule(second)
    assert len(schedule(first)) == 30
    places = [{share["node"] for share in manifest_of(run)["shares"]} for run in (first, second)]
    assert places[0] == places[1]
    assert json.loads((tmp_path / "run" / "repeats.json").read_bytes())["figures"] == done.json["figures"]
    nothing_is_left(command, raylets)


def test_a_search_by_many_nodes(command: Command, raylets: Raylets, engine: ScriptedEngine, tmp_path: Path) -> None:
    write_trace(tmp_path / "trace.jsonl", 24)
    words = [word for word in line(command, raylets, engine, "run") if word not in ("--rate", 100)]
    asked = ("--by", "concurrency", "--from", 2, "--to", 4, "--slo", "ttft_ms<20000@p50", "--nodes", 2)
    done = command.start("search", *words[1:], *asked).wait(DEADLINE_S).check(0)
    assert (done.json["highest_met"], [probe["load"] for probe in done.json["probes"]]) == (4, [2, 4])
    for probe in ("probe-1", "probe-2"):
        assert len(manifest_of(tmp_path / "run" / probe)["shares"]) == 2
        assert len([row for path in (tmp_path / "run" / probe).glob("exchanges-*") for row in lines_of(path)]) == 24
    nothing_is_left(command, raylets)


def test_one_ctrl_c_leaves_nothing_behind(
    command: Command, raylets: Raylets, engine: ScriptedEngine, tmp_path: Path
) -> None:
    write_trace(tmp_path / "trace.jsonl", 5000)
    started = command.start(*line(command, raylets, engine, "run", "--workers-per-node", 2))
    until(lambda: len(engine.requests) > 20, "some requests", deadline_s=DEADLINE_S)
    started.send(signal.SIGINT, group=True)
    done = started.wait(DEADLINE_S).check(130)
    assert done.json["ended"] == "interrupted"
    assert 0 < done.json["requests"]["sent"] < 5000
    nothing_is_left(command, raylets)


def test_a_command_that_is_killed_takes_its_load_with_it(
    command: Command, raylets: Raylets, engine: ScriptedEngine, tmp_path: Path
) -> None:
    """Ray ends a dead command's actors, and their workers end when nobody feeds them."""
    write_trace(tmp_path / "trace.jsonl", 5000)
    started = command.start(*line(command, raylets, engine, "run"))
    until(lambda: len(engine.requests) > 20, "some requests", deadline_s=DEADLINE_S)
    started.kill()
    until(lambda: not raylets.workers(), "the workers to end", deadline_s=60)


def test_journals_stay_on_storage_that_all_share(
    command: Command, raylets: Raylets, engine: ScriptedEngine, tmp_path: Path
) -> None:
    write_trace(tmp_path / "trace.jsonl", 30)
    done = on_ray(command, raylets, engine, "run", "--no-gather").check(0)
    assert done.json["requests"]["completed"] == 30
    assert len(list((tmp_path / "run").glob("exchanges-*.jsonl"))) == 3
    assert not [path for path in (tmp_path / "run").iterdir() if path.is_dir() or path.name.startswith(".")]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--nodes", 4), "on each of 4 nodes, and the cluster has 3 nodes of 4, 4, 4 CPUs"),
        (("--workers-per-node", 9), "want 9 CPUs on each of 1 nodes"),
        (("--ray", "127.0.0.1:1"), "nobody listens there"),
        (("--node-dir", "/proc/nowhere"), "cannot start there"),
        (("--concurrency", 2), "cannot share --concurrency 2"),
    ],
)
def test_what_cannot_be_played_is_said_before_anything_starts(
    command: Command, raylets: Raylets, engine: ScriptedEngine, tmp_path: Path, flags: tuple[object, ...], said: str
) -> None:
    write_trace(tmp_path / "trace.jsonl", 4)
    words = [word for word in line(command, raylets, engine, "run") if word not in ("--rate", 100)]
    assert said in command.start(*words, *flags).wait(DEADLINE_S).complaint()
    assert not (tmp_path / "run").exists()
    assert not [request for request in engine.requests if request.body]


def test_a_node_with_other_code_is_named(
    command: Command, raylets: Raylets, engine: ScriptedEngine, tmp_path: Path
) -> None:
    write_trace(tmp_path / "trace.jsonl", 4)
    shutil.copytree(Path(imaxproxy.__file__).parent, tmp_path / "other" / "imaxproxy")
    (tmp_path / "other" / "imaxproxy" / "more.py").touch()
    raylets.tell(f"add {tmp_path / 'other'}")
    try:
        complaint = on_ray(command, raylets, engine, "run").complaint()
    finally:
        raylets.tell("kill 3")
    assert "but other code of it than here" in complaint


@pytest.mark.parametrize(("how", "node", "code"), [("go-on", 1, 0), ("stop", 2, 1)])
def test_a_node_that_dies_is_named_with_what_went_with_it(
    command: Command, raylets: Raylets, engine: ScriptedEngine, tmp_path: Path, how: str, node: int, code: int
) -> None:
    """The last tests here: each takes a node with it."""
    rows = 1800  # 18 s: on a busy machine it takes seconds until the node is gone
    write_trace(tmp_path / "trace.jsonl", rows)
    nodes = 3 if how == "go-on" else 2
    started = command.start(*line(command, raylets, engine, "run", "--on-node-loss", how, "--nodes", nodes))
    until(lambda: len(engine.requests) > 60, "some requests", deadline_s=DEADLINE_S)
    raylets.tell(f"kill {node}")
    done = started.wait(DEADLINE_S)
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    summary = done.json if how == "go-on" else json.loads((tmp_path / "run" / "summary.json").read_bytes())
    lost = summary["shares"]["lost"]
    assert (len(lost["workers"]), lost["requests"]) == (1, rows // nodes)
    assert summary["meter"]["valid"] is False
    assert summary["ended"] == ("finished" if how == "go-on" else "node lost")
    journalled = [row["request_id"] for path in (tmp_path / "run").glob("exchanges-*.jsonl") for row in lines_of(path)]
    assert len(set(journalled)) == len(journalled)
    if how == "go-on":
        assert len(journalled) == rows * 2 // 3
    else:
        assert "the run was stopped there" in done.err
    assert "is lost: it died" in done.err
    until(lambda: not raylets.workers(), "the workers to end", deadline_s=60)
    assert os.path.exists(tmp_path / "run" / "histograms.hlog")
