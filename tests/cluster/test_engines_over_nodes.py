"""One engine over several nodes of a real Ray cluster, each with GPUs and a driver of its own: a stand-in for vLLM,
with real parts, wardens, samplers and faults."""

import json
import os
import re
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.command import Command, Started, until, write_trace
from power.conftest import fake_driver  # noqa: F401 (a fixture)

from cluster.conftest import Raylets, running_raylets

pytestmark = pytest.mark.ray
DEADLINE_S = 120.0
STAND_IN = Path(__file__).with_name("stand_in_engine.py")
RECIPE = """schema = "imaxproxy.recipe/1"
model = "tiny"
precision = "bf16"
source = "a stand-in"
as_of = 2026-11-26
[gpu]
kind = "h100"
count = {gpus}
[parallel]
tp = {gpus}
nodes = 2
[engine]
name = "vllm"
version = "0.32.0"
[engine.flags]
{flags}
[readiness]
timeout_s = {timeout_s}
"""


@pytest.fixture(scope="module")
def raylets(fake_driver: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raylets]:  # noqa: F811
    """Three nodes, each with two GPUs: 100 W each on the first, 200 W on the second, 300 W on the third."""
    folder = tmp_path_factory.mktemp("drivers")
    environments = []
    for node in (1, 2, 3):
        settings = folder / f"node-{node}.conf"
        settings.write_text(f"gpus=2\nhost={node}\nidle_w={node * 100}\n")
        environments.append({"FAKE_NVML": str(settings), "LD_LIBRARY_PATH": str(fake_driver)})
    with running_raylets(3, 4, 2, environments) as cluster:
        yield cluster


def start(command: Command, raylets: Raylets, *flags: object, requests: int = 40, **recipe: object) -> Started:
    """Play on one node; the engine is over two."""
    said = {"gpus": 4, "flags": "", "timeout_s": 60} | recipe
    (command.folder / "two-nodes.toml").write_text(RECIPE.format(**said))
    python = command.folder / "env" / "bin" / "python3"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(STAND_IN)])} "$@"\n')
    python.chmod(0o755)
    (command.folder / "nodes").mkdir()
    write_trace(command.folder / "trace.jsonl", requests)
    asked = ("--ray", raylets.address, "--nodes", 1, "--engine-replicas", 1, "--node-dir", command.folder / "nodes")
    engine = (
        "--engine",
        "two-nodes.toml",
        "--engine-env",
        "env",
        "--rate",
        40,
        "--salt",
        "a",
        "--out",
        "run",
        "--json",
    )
    return command.start("replay", "trace.jsonl", *engine, *asked, *flags)


def parts(raylets: Raylets, rank: int) -> list[int]:
    """The processes of one node's part."""
    return raylets.running(f"--node-rank\0{rank}\0".encode())


def workers(raylets: Raylets) -> list[int]:
    return raylets.running(b"VLLM::Worker_TP")


def nothing_is_left(command: Command, raylets: Raylets) -> None:
    until(lambda: not raylets.running(b"stand_in_engine") and not workers(raylets), "the engine to end", deadline_s=60)
    until(lambda: not raylets.running(b"imaxproxy.power"), "the samplers to end", deadline_s=60)
    until(lambda: not raylets.workers(), "the players to end", deadline_s=60)


def test_one_engine_over_two_nodes_is_one_run(command: Command, raylets: Raylets, tmp_path: Path) -> None:
    done = start(command, raylets, "--power", "nvml", "--power-baseline", 0.5).wait(DEADLINE_S).check(0)
    summary = done.json
    assert (summary["requests"]["completed"], summary["engine"]["gpus"], summary["simulated"]) == (40, 4, False)
    (replica,) = summary["engine"]["replicas"]
    assert len({node["node"] for node in replica["nodes"]}) == 2
    ranks = [node["launched"]["server"] for node in replica["nodes"]]
    assert [argv[argv.index("--node-rank") + 1] for argv in ranks] == ["0", "1"]
    assert len({argv[argv.index("--master-port") + 1] for argv in ranks}) == 1
    assert ["--headless" in argv for argv in ranks] == [False, True]
    for rank in (0, 1):
        said = (tmp_path / "run" / f"replica-0.node-{rank}.server.log").read_text()
        assert f"node {rank}, GPUs 0,1" in said
        assert f"rank {rank} in world size 2 is assigned" in said
    energy = summary["energy"]
    assert (energy["valid"], len(energy["devices"])) == (True, 4)
    hosts: dict[str, list[float]] = {}
    for device in energy["devices"]:
        hosts.setdefault(device["device"].split("-")[4], []).append(device["energy_j"])
    assert [len(joules) for joules in hosts.values()] == [2, 2]  # two boards of each of two nodes
    assert energy["windows"]["whole"]["energy_j"] == pytest.approx(sum(map(sum, hosts.values())), rel=1e-6)
    (small, large) = sorted((int(host), sum(joules)) for host, joules in hosts.items())
    assert large[1] / small[1] == pytest.approx(large[0] / small[0], rel=0.05)
    assert not list((tmp_path / "nodes").iterdir())
    nothing_is_left(command, raylets)


@pytest.mark.parametrize(("rank", "word"), [(1, "node 1 of 2"), (0, "node 0 of 2")])
def test_the_death_of_a_part_ends_the_run(
    command: Command, raylets: Raylets, tmp_path: Path, rank: int, word: str
) -> None:
    """Of either: the head's other half dies of it, and is not what is named."""
    started = start(command, raylets, requests=5000)
    until(lambda: raylets.workers(), "the load", deadline_s=DEADLINE_S)
    os.kill(raylets.running(f"VLLM::Worker_TP{rank}".encode())[0], signal.SIGKILL)
    done = started.wait(DEADLINE_S).check(1)
    said = done.err.splitlines()[-1]
    assert said.startswith("imaxproxy: the engine on node ")
    assert f"({word}) died: server lost its VLLM::Worker_TP{rank}" in said
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_bytes())
    assert manifest["ended"] == "engine died"
    assert (tmp_path / "run" / "replica-0.node-1.server.log").exists()
    nothing_is_left(command, raylets)


def test_a_part_that_never_meets_the_others_is_named(command: Command, raylets: Raylets) -> None:
    done = start(command, raylets, flags="late = 1", timeout_s=6).wait(DEADLINE_S).check(2)
    said = done.err.splitlines()[-1]
    assert "(node 0 of 2) did not come up: vllm of recipe two-nodes was not ready after 6 s" in said
    assert "(node 1 of 2) has come no further than: reading its flags" in said
    nothing_is_left(command, raylets)


def test_a_part_that_fails_at_the_start_ends_it_at_once_with_its_words(
    command: Command, raylets: Raylets, tmp_path: Path
) -> None:
    done = start(command, raylets, flags="fails = 1", timeout_s=600).wait(DEADLINE_S).check(2)
    assert "(node 1 of 2) did not come up: server ended with code 1" in done.err.splitlines()[-1]
    assert "RuntimeError: the stand-in was told to fail" in done.err.splitlines()[-1]
    assert done.err.endswith("; logs: run/replica-*.log\n")
    logs = sorted(path.name for path in (tmp_path / "run").glob("replica-*"))
    assert logs == ["replica-0.node-0.server.log", "replica-0.node-1.server.log"]
    nothing_is_left(command, raylets)


def test_nodes_that_lack_the_gpus_are_said_before_anything_starts(command: Command, raylets: Raylets) -> None:
    done = start(command, raylets, gpus=8).wait(DEADLINE_S)
    assert "1 replicas of the engine, over 2 nodes each want 1 CPUs and 4 GPUs on each of 2 nodes" in done.complaint()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_command_that_is_interrupted_or_killed(
    command: Command, raylets: Raylets, number: int
) -> None:
    started = start(command, raylets, requests=5000)
    until(lambda: raylets.workers(), "the load", deadline_s=DEADLINE_S)
    started.send(number, group=True)
    started.wait(DEADLINE_S)
    nothing_is_left(command, raylets)


def test_ctrl_c_while_an_engine_starts_leaves_nothing(command: Command, raylets: Raylets, tmp_path: Path) -> None:
    started = start(command, raylets, flags="late = 1", timeout_s=600)
    until(lambda: parts(raylets, 0) and parts(raylets, 1), "both parts", deadline_s=DEADLINE_S)
    started.send(signal.SIGINT, group=True)
    started.wait(DEADLINE_S)
    nothing_is_left(command, raylets)
    assert not list((tmp_path / "nodes").iterdir())


def test_a_node_that_is_lost_ends_the_run(command: Command, raylets: Raylets) -> None:
    """The last test here: the node does not come back."""
    started = start(command, raylets, requests=5000)
    until(lambda: raylets.workers(), "the load", deadline_s=DEADLINE_S)
    playing = node_of(raylets.workers()[0])
    victim = next(node for node in (1, 2) if node != playing and any(node_of(pid) == node for pid in workers(raylets)))
    raylets.tell(f"kill {victim}")
    done = started.wait(DEADLINE_S).check(1)
    # What dies on the node dies one by one: its engine's worker may be told of before the node itself is.
    assert re.search(r"the engine on node .* died: (its node was lost|server lost its)", done.err.splitlines()[-1])
    nothing_is_left(command, raylets)


def node_of(pid: int) -> int:
    """Which raylet a process is of: each has a driver of its own."""
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    (settings,) = (each for each in environment if each.startswith(b"FAKE_NVML="))
    return int(settings.decode().rpartition("-")[2].removesuffix(".conf")) - 1
