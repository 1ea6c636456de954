"""`imaxproxy engine list`, `show` and `check`, as a user has them."""

import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.command import Command
from imaxproxy.launch import free_port

TINY = "tiny-cpu-transformers"


def test_the_list_is_a_line_a_recipe_and_can_be_filtered(command: Command) -> None:
    lines = command.run("engine", "list").check(0).out.splitlines()
    assert lines[0].startswith("recipe ")
    assert any(line.startswith("gpt-oss-120b-b200-vllm ") and "1 x b200" in line for line in lines)
    found = command.run("engine", "list", "--gpu", "b200", "--model", "llama", "--json").check(0).json["recipes"]
    assert {row["gpu"] for row in found} == {"b200"}
    assert {row["model"] for row in found} >= {"nvidia/Llama-3.3-70B-Instruct-FP4"}
    assert {row["engine"] for row in found} == {"vllm", "trtllm"}
    workers = command.run("engine", "list", "--engine", "sglang", "--gpu", "gb200", "--json").check(0).json["recipes"]
    assert {row["backend"] for row in workers} == {"sglang"}


def test_a_filter_that_leaves_none_says_what_there_is(command: Command) -> None:
    says = command.run("engine", "list", "--gpu", "b100").complaint()
    assert "no recipe has gpu b100; there are --gpu: b200, cpu, gb200, h100, h200, none" in says


def test_show_prints_what_a_shell_would_run(command: Command) -> None:
    text = command.run("engine", "show", "deepseek-r1-fp4-b200-sglang").check(0).out
    start = text.split("# server\n")[1].split("\n\n")[0]
    words = shlex.split(start.replace("\\\n", ""))
    assert words[0] == "env"
    assert words[words.index("--mem-fraction-static") + 1] == "0.85"
    assert "each of 180 GB: weights 96.7 GB" in text
    assert "KV of a token 34.3 KiB" in text
    assert "0.85 of the GPU's memory, for weights and KV (limits.memory_fraction)" in text
    assert "source   github.com/SemiAnalysisAI/InferenceX" in text


def test_show_prints_the_files_and_the_workers(command: Command) -> None:
    text = command.run("engine", "show", "deepseek-r1-fp4-gb200-low-latency-dynamo-trtllm").check(0).out
    assert "# file RUN/trtllm-options-prefill-0.yaml" in text
    assert "mkdir -p RUN/dynamo-discovery" in text
    assert "prefill worker, 4 GPUs" in text
    assert "decode worker, 8 GPUs" in text


def test_show_prints_each_nodes_command(command: Command) -> None:
    text = command.run("engine", "show", "deepseek-r1-fp8-h100-two-nodes-vllm").check(0).out
    assert "on 16 x h100 of 2 nodes, vllm" in text
    for node in (0, 1):
        start = text.split(f"# server, node {node} of 2\n")[1].split("\n\n")[0]
        words = shlex.split(start.replace("\\\n", ""))
        assert (words[words.index("--node-rank") + 1], words[words.index("--master-addr") + 1]) == (str(node), "NODE-0")
        assert "CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7" in words
    found = command.run("engine", "show", "deepseek-r1-fp8-h100-two-nodes-sglang", "--json").check(0).json
    assert [process["node"] for process in found["processes"]] == [0, 1]
    assert found["recipe"]["parallel"]["nodes"] == 2


def test_what_spans_nodes_is_not_launched_here(command: Command) -> None:
    says = command.run("engine", "launch", "deepseek-r1-fp8-h100-two-nodes-vllm").complaint()
    assert says.startswith(
        "recipe deepseek-r1-fp8-h100-two-nodes-vllm spans 2 nodes, and is launched on those of a Ray"
    )
    checked = command.run("engine", "check", "deepseek-r1-fp8-h100-two-nodes-vllm").check(1).out
    assert "8 x h100 wanted on each of 2 nodes" in checked or "8 wanted on each of 2 nodes" in checked


def test_show_as_json(command: Command) -> None:
    flags = ("--dummy-weights", "--model-path", "/models/it", "--json")
    found = command.run("engine", "show", "gpt-oss-120b-b200-trtllm", *flags).check(0).json
    (process,) = found["processes"]
    assert process["argv"][4] == "/models/it"
    assert '"load_format": "dummy"' in found["files"]["RUN/trtllm-options.yaml"]
    (memory,) = found["memory"]["workers"]
    assert memory["kv_tokens"] > 1_000_000
    assert found["recipe"]["as_of"] == "2026-08-22"
    simulated = command.run("engine", "show", "fixed-5ms", "--json").check(0).json
    assert (simulated["processes"], simulated["memory"]["workers"]) == ([], [])


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A folder that looks like an engine's environment: it holds transformers, and no model is in its cache."""
    python = tmp_path / "venv" / "bin" / "python3"
    python.parent.mkdir(parents=True)
    said = '{"python": "3.11.7", "versions": {"transformers": "5.19.0"}}'
    python.write_text(f"#!/bin/sh\necho '{said}'\n", "utf-8")
    python.chmod(0o755)
    return tmp_path / "venv"


def test_check_finds_all_it_needs(command: Command, environment: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes(b"1")
    flags = ("--engine-env", environment, "--model-path", tmp_path, "--engine-port", free_port("127.0.0.1"))
    found = command.run("engine", "check", TINY, *flags, "--json").check(0).json
    assert found["launchable"] is True
    assert {row["state"] for row in found["findings"]} == {"ok"}
    assert "engine launch tiny-cpu-transformers" in command.run("engine", "check", TINY, *flags).check(0).out


def test_check_says_what_is_missing_and_how_to_mend_it(command: Command, environment: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        flags = ("--engine-env", environment, "--model-path", tmp_path / "none", "--engine-port", port)
        done = command.run("engine", "check", TINY, *flags).check(1)
    assert f"MISSING  model       there is no folder {tmp_path}/none" in done.out
    assert f"port {port} of 127.0.0.1 is in use" in done.out
    assert "2 missing" in done.out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("check", "fixed-5ms"), "models no hardware, so there is nothing to check"),
        (("check", TINY, "--engine-env", "nowhere"), "nowhere"),
        (("check", "no-such"), "unknown recipe 'no-such'"),
        (("show", "no-such.toml"), "cannot read recipe no-such.toml: No such file"),
        (("show", TINY, "--dummy-weights"), "weights: transformers serve knows no random weights"),
    ],
)
def test_bad_input_is_one_line(command: Command, argv: tuple[str, ...], says: str) -> None:
    assert says in command.run("engine", *argv).complaint()


def test_the_commands_start_at_once() -> None:
    """No engine, no simulator and no NVML is imported to list recipes."""
    code = "import sys, imaxproxy.cli.engine; print([m for m in ('pynvml','rich','vllm') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=30)
    assert said.stdout.strip() == "[]"
