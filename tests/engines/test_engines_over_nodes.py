"""Real engines, each over two nodes of a real Ray cluster: the ranks of one model meet over the network."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.command import until, write_trace
from cluster.conftest import Raylets, running_raylets

from engines.conftest import START_S, command_in, environment_of, make_model

pytestmark = pytest.mark.engines
TENSOR, PIPELINE = "tp", "pp"
VLLM = """extends = "tiny-cpu-vllm"
[engine.env]
VLLM_ENABLE_V1_MULTIPROCESSING = "1"
VLLM_CPU_OMP_THREADS_BIND = "nobind"
[engine.flags]
distributed-executor-backend = "mp"
"""
STAGES = """enforce-eager = false
compilation-config = { mode = 2, backend = "eager" }
"""
"""0.32.0 on a CPU warms up only what it compiles; a later stage that was not warmed up fails at the first request."""
SGLANG = """extends = "tiny-cpu-sglang"
[engine.env]
SGLANG_CPU_OMP_THREADS_BIND = "0|1"
"""
CASES = {
    ("vllm", TENSOR): (VLLM, r"rank {rank} in world size 2 is assigned as DP rank 0, PP rank 0, .* TP rank {rank}"),
    ("vllm", PIPELINE): (VLLM + STAGES, r"rank {rank} in world size 2 is assigned as DP rank 0, PP rank {rank}"),
    ("sglang", TENSOR): (SGLANG, r"TP{rank}\] Init parallel ends"),
}
"""A recipe, and what each node's part must have said."""


@pytest.fixture(scope="module")
def raylets() -> Iterator[Raylets]:
    with running_raylets(2, 4) as cluster:
        yield cluster


@pytest.mark.parametrize(("engine", "split"), CASES)
def test_one_model_over_two_nodes(raylets: Raylets, tmp_path: Path, engine: str, split: str) -> None:
    environment = environment_of(engine)
    make_model(environment, tmp_path)
    text, said = CASES[engine, split]
    recipe = f'schema = "imaxproxy.recipe/1"\n{text}[parallel]\n{split} = 2\nnodes = 2\n'
    (tmp_path / "two-nodes.toml").write_text(recipe)
    write_trace(tmp_path / "trace.jsonl", 12)
    command = command_in(tmp_path)
    where = (
        "--engine",
        "two-nodes.toml",
        "--engine-env",
        environment,
        "--ray",
        raylets.address,
        "--engine-replicas",
        1,
    )
    try:
        started = command.start("replay", "trace.jsonl", *where, "--nodes", 1, "--rate", 6, "--out", "run", "--json")
        summary = started.wait(START_S).check(0).json
        assert (summary["requests"]["completed"], summary["simulated"]) == (12, False)
        assert summary["tokens"]["output"] > 12
        (replica,) = summary["engine"]["replicas"]
        assert len({node["node"] for node in replica["nodes"]}) == 2
        for rank in (0, 1):
            log = (tmp_path / "run" / f"replica-0.node-{rank}.server.log").read_text()
            assert re.search(said.format(rank=rank), log)
            assert not re.search(said.format(rank=1 - rank), log)
        until(lambda: not raylets.running(b"--nnodes"), "the engine to end", deadline_s=30)
        assert not raylets.running(b"VLLM::")
        assert not raylets.running(b"sglang::")
    finally:
        command.close()
