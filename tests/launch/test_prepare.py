from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch import GpuChoice, GpuFound, GpusFound, Parallel, load_recipe
from imaxproxy.launch.prepare import check_gpus, describe, pinned_gpus, prepare
from tests.launch.plans import part

ONE = load_recipe("gpt-oss-120b-h200-vllm")
FOUR = replace(ONE, gpu=GpuChoice("h200", 4), parallel=Parallel(tp=4))
CPU = load_recipe("tiny-cpu-vllm")


@pytest.mark.parametrize(
    ("chosen", "visible", "pinned"),
    [
        (("4", "5", "6", "7"), None, ("4", "5", "6", "7")),
        ((), None, ("0", "1", "2", "3")),
        ((), "", ("0", "1", "2", "3")),
        ((), "3, 2,1,0,7", ("3", "2", "1", "0")),
        (("GPU-a", "GPU-b", "GPU-c", "GPU-d"), "0", ("GPU-a", "GPU-b", "GPU-c", "GPU-d")),
    ],
)
def test_gpus_are_chosen_or_the_first_that_are_ours(
    chosen: tuple[str, ...], visible: str | None, pinned: tuple[str, ...]
) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert pinned_gpus(FOUR, chosen, environment) == pinned


def test_too_few_gpus_are_a_mistake_before_anything_starts() -> None:
    with pytest.raises(UsageError, match=r"--engine-gpus names 2, and recipe .* wants 4"):
        pinned_gpus(FOUR, ("0", "1"), {})
    with pytest.raises(UsageError, match=r"CUDA_VISIBLE_DEVICES=0,1 leaves 2 GPUs, and recipe .* wants 4"):
        pinned_gpus(FOUR, (), {"CUDA_VISIBLE_DEVICES": "0,1"})


@pytest.mark.parametrize(
    ("pinned", "absent"),
    [
        (("0", "1"), None),
        (("GPU-b", "0"), None),
        (("GPU-b2", "0"), None),
        (("MIG-3f", "1"), None),
        (("0", "2"), "2"),
        (("GPU-x", "4"), "GPU-x, 4"),
    ],
)
def test_gpus_that_are_not_here_are_said_before_anything_starts(pinned: tuple[str, ...], absent: str | None) -> None:
    two = GpusFound(tuple(GpuFound(at, uuid, "NVIDIA H200", 1, 1) for at, uuid in enumerate(("GPU-a1", "GPU-b2"))))
    check_gpus(FOUR, pinned, GpusFound(why_none="there is no NVIDIA driver on this machine"))
    if absent is None:
        check_gpus(FOUR, pinned, two)
        return
    with pytest.raises(
        UsageError, match=rf"wants 4 GPUs, and there is no GPU {absent} here, only 0 \(NVIDIA H200\), 1 "
    ):
        check_gpus(FOUR, pinned, two)


def test_a_cpu_recipe_pins_none() -> None:
    assert pinned_gpus(CPU, (), {"CUDA_VISIBLE_DEVICES": "0"}) == ()


def test_a_launch_knows_its_door_its_processes_and_what_a_manifest_says(tmp_path: Path) -> None:
    launch = prepare(FOUR, log_dir=tmp_path, host="127.0.0.1", port=9, gpus=("4", "5", "6", "7"))
    (process,) = launch.plan.processes
    assert process.env["CUDA_VISIBLE_DEVICES"] == "4,5,6,7"
    assert process.env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert launch.door.port == 9
    described = describe(FOUR, launch)
    assert (described["simulated"], described["gpu"], described["gpus"]) == (False, "h200", 4)
    assert described["launched"]["server"] == list(process.argv)
    assert describe(CPU, prepare(CPU, log_dir=tmp_path, host="::1", port=9))["gpu"] is None


def test_an_engine_that_captures_graphs_on_demand_is_warmed_up_for_each_on_a_gpu(tmp_path: Path) -> None:
    place: dict[str, Any] = {"log_dir": tmp_path, "host": "127.0.0.1", "port": 9}
    tiny = load_recipe("tiny-cpu-transformers")
    on_gpu = replace(tiny, gpu=GpuChoice("h200", 1))
    assert prepare(on_gpu, **place).warmup_rounds == (1, 2, 4, 8, 16, 32, 64)
    assert prepare(tiny, **place).warmup_rounds == prepare(ONE, **place).warmup_rounds == (4, 4)


def test_what_models_no_hardware_cannot_be_launched(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="recipe fixed-5ms models no hardware, so there is nothing to launch"):
        prepare(load_recipe("fixed-5ms"), log_dir=tmp_path, host="127.0.0.1", port=9)


OVER_TWO = replace(ONE, gpu=GpuChoice("h200", 4), parallel=Parallel(tp=4, nodes=2))
PLACE: dict[str, Any] = {"host": "127.0.0.1", "port": 9}


def test_a_part_has_its_nodes_share_of_the_gpus_and_only_the_head_a_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "ib0")
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    place = PLACE | {"log_dir": tmp_path, "gpus": ("2", "3")}
    launches = [prepare(OVER_TWO, **place, part=part(rank, address="127.0.0.1")) for rank in (0, 1)]
    assert [launch.is_head for launch in launches] == [True, False]
    for launch in launches:
        (process,) = launch.plan.processes
        assert process.env["CUDA_VISIBLE_DEVICES"] == "2,3"
        assert process.env["GLOO_SOCKET_IFNAME"] == "lo"
        assert "NCCL_SOCKET_IFNAME" not in process.env  # the machine's own stands
        assert describe(OVER_TWO, launch)["gpus"] == 4
    with pytest.raises(UsageError, match=r"--engine-gpus names 4, and recipe .* wants 2 on each node"):
        pinned_gpus(OVER_TWO, ("0", "1", "2", "3"), {})


def test_one_that_spans_nodes_is_not_launched_in_one_place(tmp_path: Path) -> None:
    says = (
        r"spans 2 nodes, and is launched on those of a Ray cluster: imaxproxy replay TRACE --engine RECIPE --ray auto"
    )
    with pytest.raises(UsageError, match=says):
        prepare(OVER_TWO, log_dir=tmp_path, **PLACE)
    dynamo = replace(load_recipe("gpt-oss-120b-b200-dynamo-vllm"), parallel=Parallel(tp=2, nodes=2))
    says = r"parallel.nodes: dynamo is launched on one node only; vllm and sglang span several"
    with pytest.raises(UsageError, match=says):
        prepare(dynamo, log_dir=tmp_path, **PLACE, part=part(0))
