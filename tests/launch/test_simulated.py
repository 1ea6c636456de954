import asyncio
import json
import os
import select
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch import (
    DisaggregatedChoice,
    EngineError,
    Parallel,
    SimulatedEngine,
    SpeculationChoice,
    load_recipe,
    recipe_names,
    simulated_argv,
)


def get_json(url: str) -> dict[str, object]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: dict[str, object] = json.load(answer)
    return found


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("name", [name for name in recipe_names() if load_recipe(name).parallel.pp == 1])
def test_every_shipped_recipe_has_arguments(name: str) -> None:
    argv = simulated_argv(load_recipe(name))
    assert argv[argv.index("--recipe") + 1] == name


def test_an_engines_flags_become_ours() -> None:
    argv = simulated_argv(load_recipe("gpt-oss-120b-b200-trtllm"))
    assert argv[argv.index("--tokens-per-event") + 1] == "20"
    assert argv[argv.index("--max-num-batched-tokens") + 1] == "20000"
    assert "--no-prefix-caching" in argv


def test_what_makes_a_prompt_wait_for_others_becomes_a_flag() -> None:
    argv = simulated_argv(load_recipe("llama-3.3-70b-fp8-h200-trtllm"))
    assert argv[argv.index("--batch-wait-steps") + 1] == "20"
    assert "--batch-wait-steps" not in simulated_argv(load_recipe("gpt-oss-120b-b200-trtllm"))


def test_replicas_are_simulated_and_pipelines_are_not() -> None:
    recipe = replace(load_recipe("fixed-5ms"), parallel=Parallel(dp=2))
    argv = simulated_argv(recipe)
    assert argv[argv.index("--replicas") + 1] == "2"
    with pytest.raises(UsageError, match="pp must be 1"):
        simulated_argv(replace(recipe, parallel=Parallel(pp=2)))


def test_speculation_and_disaggregation_become_flags() -> None:
    recipe = replace(
        load_recipe("gpt-oss-120b-b200-vllm"),
        speculation=SpeculationChoice(3, acceptance_length=2.4),
        disaggregated=DisaggregatedChoice(1, 2, kv_transfer_gb_per_s=50.0),
    )
    argv = simulated_argv(recipe)
    assert argv[argv.index("--draft-tokens") :][:4] == ["--draft-tokens", "3", "--acceptance-length", "2.4"]
    assert argv[argv.index("--prefill-workers") :][:4] == ["--prefill-workers", "1", "--decode-workers", "2"]
    assert argv[argv.index("--kv-transfer-gb-per-s") + 1] == "50.0"


def test_an_engine_starts_describes_itself_and_stops(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with SimulatedEngine(load_recipe("gpt-oss-120b-b200-vllm"), out_dir=tmp_path) as engine:
            assert engine.base_url == f"{engine.url}/v1"
            described = engine.describe()
            assert described["simulated"] is True
            assert (described["recipe"], described["gpu"], described["gpus"]) == ("gpt-oss-120b-b200-vllm", "b200", 1)
            assert (described["expected_error"], described["in_calibrated_range"]) == (0.1, True)
            assert len(described["constants_sha256"]) == 64
            served = await asyncio.to_thread(get_json, f"{engine.url}/imax/engine")
            assert described.items() <= served.items()
            pid = engine.pid
        assert pid is not None
        assert not is_alive(pid)
        await engine.stop()  # again: no harm

    asyncio.run(scenario())
    assert (tmp_path / "engine-truth.jsonl").exists()


def test_bad_flags_are_the_users_mistake(tmp_path: Path) -> None:
    engine = SimulatedEngine(load_recipe("fixed-5ms"), out_dir=tmp_path, extra_argv=["--warp", "9"])
    with pytest.raises(UsageError, match=r"cannot start: imaxproxy\.sim: unrecognized arguments: --warp 9"):
        asyncio.run(engine.start())


def test_an_engine_that_is_not_ready_in_time_is_stopped() -> None:
    engine = SimulatedEngine(load_recipe("fixed-5ms"), ready_timeout_s=0.0)
    with pytest.raises(EngineError, match="was not ready after 0 s"):
        asyncio.run(engine.start())
    assert engine.pid is None


def test_an_engine_does_not_outlive_its_parent_and_leaves_no_log(tmp_path: Path) -> None:
    """The parent is killed without a chance to stop its child; the child's stdout closes when it has ended too."""
    script = (
        "import asyncio, os, signal\n"
        "from imaxproxy.launch import SimulatedEngine, load_recipe\n"
        "async def main():\n"
        "    engine = SimulatedEngine(load_recipe('fixed-5ms'))\n"
        "    await engine.start()\n"
        "    print(engine.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    parent = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=30, check=False, env=environment
    )
    assert wait_gone(int(parent.stdout), timeout_s=10)
    assert not list(tmp_path.iterdir())


def wait_gone(pid: int, timeout_s: float) -> bool:
    """Wait for the end of a process that is not our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True

    try:
        return bool(select.select([descriptor], [], [], timeout_s)[0])
    finally:
        os.close(descriptor)
