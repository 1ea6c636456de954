"""`imaxproxy sweep --ray` on real raylets: points in parallel on their nodes, as if they had been played here."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from cli.command import Command, until

from cluster.conftest import Raylets

pytestmark = pytest.mark.ray
DEADLINE_S = 180.0
SPEC = """schema = "imaxproxy.sweep/1"
concurrency = [1, 2, 4]
[workload.tiny]
input_length = 20
output_length = 8
requests = 12
[recipe.fixed]
engine = "fixed-5ms"
[recipe.b200]
engine = "gpt-oss-120b-b200-vllm"
set.parallel.tp = [1, 3]
"""
LIVE = """[recipe.live]
engine = "fixed-5ms"
mode = "simulate"
concurrency = [2]
[recipe.real]
engine = "gpt-oss-120b-b200-vllm"
mode = "real"
concurrency = [2]
"""


def write(command: Command, text: str) -> Path:
    path = command.folder / "sweep.toml"
    path.write_text(text)
    return path


def figures(done: Any) -> dict[str, Any]:  # noqa: ANN401
    return {row["run"]: (row["state"], row["figures"]) for row in done.json["points"]}


def test_points_on_nodes_are_the_points_of_one_machine(command: Command, raylets: Raylets) -> None:
    path = write(command, SPEC)
    here = command.start("sweep", path, "--out", "here", "--json").wait(DEADLINE_S).check(1)
    there = command.start("sweep", path, "--out", "there", "--ray", raylets.address, "--json").wait(DEADLINE_S).check(1)
    assert figures(there) == figures(here)
    assert {state for state, _ in figures(there).values()} == {"done", "failed"}
    reasons = {row["reason"] for row in there.json["points"] if row["state"] == "failed"}
    assert all("tp 3 does not divide" in reason for reason in reasons)
    manifest = json.loads((command.folder / "there" / "tiny" / "fixed-c2" / "manifest.json").read_bytes())
    assert manifest["ended"] == "finished"
    assert not [path for path in (command.folder / "there" / "tiny").iterdir() if path.name.startswith(".")]
    again = command.start("sweep", path, "--out", "there", "--ray", raylets.address, "--json").wait(DEADLINE_S).check(1)
    assert "fixed-c2 done" not in again.err  # it was done before


def test_live_points_have_an_engine_on_their_node(command: Command, raylets: Raylets) -> None:
    path = write(command, SPEC[: SPEC.index("[recipe.fixed]")] + LIVE)
    done = command.start("sweep", path, "--out", "out", "--ray", raylets.address, "--json").wait(DEADLINE_S).check(1)
    found = {row["run"]: row for row in done.json["points"]}
    assert found["tiny/live-c2"]["state"] == "done"
    assert (command.folder / "out" / "tiny" / "live-c2" / "engine.log").exists()
    assert "it wants 1 CPUs and 1 GPUs on one node, and no node has them" in found["tiny/real-c2"]["reason"]


def test_ctrl_c_leaves_what_is_done_and_nothing_else(command: Command, raylets: Raylets) -> None:
    text = SPEC.replace("requests = 12", "requests = 200000").replace("concurrency = [1, 2, 4]", "concurrency = [64]")
    path = write(command, text.replace("[1, 3]", "[1, 2]"))
    started = command.start("sweep", path, "--out", "out", "--ray", raylets.address)
    started.says("up to 12 points at once", DEADLINE_S)
    until(lambda: list(Path("/tmp").glob("imaxproxy-sweep-*/run/*")), "points to be under way", deadline_s=DEADLINE_S)
    started.send(signal.SIGINT, group=True)
    done = started.wait(DEADLINE_S).check(130)
    assert "the same command goes on" in done.err
    until(lambda: not list(Path("/tmp").glob("imaxproxy-sweep-*")), "the nodes' folders to go")
