"""Engines on several nodes, launched through Ray, power sampled where they are: simulated ones, on real raylets."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.command import Command, lines_of, until, write_trace
from scripted_engine import Script, ScriptedEngine

from cluster.conftest import Raylets

pytestmark = pytest.mark.ray
StartEngine = Callable[[Script], ScriptedEngine]
DEADLINE_S = 120.0
ENGINE = ("--engine", "gpt-oss-120b-b200-vllm", "--simulate")


def line(command: Command, raylets: Raylets, *flags: object) -> tuple[object, ...]:
    (command.folder / "nodes").mkdir(exist_ok=True)
    asked = ("--ray", raylets.address, "--node-dir", command.folder / "nodes", "--out", "run", "--json")
    return ("replay", "trace.jsonl", *ENGINE, "--rate", 40, "--salt", "a", *asked, *flags)


def test_replicas_on_two_nodes_are_one_run(command: Command, raylets: Raylets, tmp_path: Path) -> None:
    write_trace(tmp_path / "trace.jsonl", 60)
    flags = ("--nodes", 2, "--engine-replicas", 2, "--power", "sim")
    done = command.start(*line(command, raylets, *flags)).wait(DEADLINE_S).check(0)
    summary = done.json
    assert summary["simulated"] is True
    assert (summary["requests"]["completed"], summary["engine"]["gpus"]) == (60, 2)
    urls = [replica["url"] for replica in summary["engine"]["replicas"]]
    assert len(set(urls)) == 2
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_bytes())
    assert [record["engine"] for record in manifest["shares"]] == urls
    energy = summary["energy"]
    assert (energy["valid"], len(energy["devices"]), energy["reasons"]) == (True, 2, [])
    assert len({device["device"] for device in energy["devices"]}) == 2
    assert all(device["energy_j"] > 0 for device in energy["devices"])
    assert {row["type"] for row in lines_of(tmp_path / "run" / "power.jsonl")} >= {"device", "sample"}
    assert sorted(path.name for path in (tmp_path / "run").glob("replica-*")) == [
        "replica-0.engine.log", "replica-1.engine.log",
    ]  # fmt: skip
    assert not list((tmp_path / "nodes").iterdir())


def test_ctrl_c_ends_the_engines_too(command: Command, raylets: Raylets, tmp_path: Path) -> None:
    write_trace(tmp_path / "trace.jsonl", 5000)
    started = command.start(*line(command, raylets, "--nodes", 2, "--engine-replicas", 1))
    started.says("1 workers each", DEADLINE_S)
    until(raylets.workers, "workers", deadline_s=DEADLINE_S)
    started.send(signal.SIGINT, group=True)
    started.wait(DEADLINE_S)
    until(lambda: not raylets.running(b"imaxproxy.sim"), "the engine to end", deadline_s=60)
    until(lambda: not raylets.workers(), "the workers to end", deadline_s=60)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--nodes", 3, "--engine-replicas", 2), "3 nodes cannot share --engine-replicas 2 evenly"),
        (("--nodes", 3, "--workers-per-node", 4, "--engine-replicas", 3), "others held them"),
    ],
)
def test_replicas_that_have_no_room(
    command: Command, raylets: Raylets, tmp_path: Path, flags: tuple[object, ...], said: str
) -> None:
    write_trace(tmp_path / "trace.jsonl", 5)
    assert said in command.start(*line(command, raylets, *flags)).wait(DEADLINE_S).check(2).err
