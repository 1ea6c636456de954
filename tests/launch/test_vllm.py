import json

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch import DisaggregatedChoice, GpuChoice, Parallel, SpeculationChoice
from imaxproxy.launch.vllm import VLLM
from tests.launch.plans import part, plan, recipe, value

NAME = "gpt-oss-120b-b200-vllm"


def test_the_server_is_started_as_the_recipe_says() -> None:
    (server,) = plan(recipe(NAME), port=8123).processes
    assert server.argv[:5] == ("/venv/bin/python", "-m", "vllm.entrypoints.cli.main", "serve", "openai/gpt-oss-120b")
    assert value(server.argv, "--port") == "8123"
    assert value(server.argv, "--max-num-seqs") == "512"
    assert "--no-enable-prefix-caching" in server.argv
    assert server.env["CUDA_VISIBLE_DEVICES"] == "0"
    assert server.env["VLLM_USE_FLASHINFER_MOE_MXFP4_MXFP8"] == "1"
    assert "HF_HUB_OFFLINE" not in server.env


def test_a_model_that_lies_here_needs_no_hub() -> None:
    (server,) = plan(recipe(NAME, model_path="/models/it")).processes
    assert server.argv[4] == "/models/it"
    assert server.env["HF_HUB_OFFLINE"] == "1"
    assert value(server.argv, "--served-model-name") == "openai/gpt-oss-120b"


def test_dp_attention_is_data_parallelism_with_shared_experts() -> None:
    (server,) = plan(recipe(NAME, parallel=Parallel(tp=4, ep=4, dp_attention=True))).processes
    assert value(server.argv, "--tensor-parallel-size") == "1"
    assert value(server.argv, "--data-parallel-size") == "4"
    assert "--enable-expert-parallel" in server.argv


def test_drafts_on_random_weights_are_accepted_as_stated() -> None:
    drafting = recipe(NAME, speculation=SpeculationChoice(3, "eagle3", "some/drafter", acceptance_length=2.4))
    said = value(plan(drafting).processes[0].argv, "--speculative-config")
    assert json.loads(said or "") == {"method": "eagle3", "num_speculative_tokens": 3, "model": "some/drafter"}
    said = value(plan(drafting, dummy_weights=True).processes[0].argv, "--speculative-config")
    assert json.loads(said or "")["rejection_sample_method"] == "synthetic"
    assert json.loads(said or "")["synthetic_acceptance_length"] == 2.4


OVER_TWO = {"parallel": Parallel(tp=8, pp=2, nodes=2), "gpu": GpuChoice("b200", 16)}


def test_a_part_of_several_knows_its_rank_and_where_all_meet() -> None:
    over = recipe(NAME, **OVER_TWO)
    (head,) = plan(over, host="10.0.0.1", part=part(0, env={"GLOO_SOCKET_IFNAME": "eth0"})).processes
    (other,) = plan(over, host="10.0.0.2", part=part(1)).processes
    assert (value(head.argv, "--nnodes"), value(head.argv, "--node-rank")) == ("2", "0")
    assert (value(head.argv, "--host"), "--headless" in head.argv) == ("10.0.0.1", False)
    assert (value(other.argv, "--node-rank"), "--headless" in other.argv) == ("1", True)
    assert "--port" not in other.argv
    for server in (head, other):
        assert (value(server.argv, "--master-addr"), value(server.argv, "--master-port")) == ("10.0.0.1", "29500")
        assert (value(server.argv, "--tensor-parallel-size"), value(server.argv, "--pipeline-parallel-size")) == (
            "8",
            "2",
        )
        assert "--data-parallel-rpc-port" not in server.argv
        assert server.env["CUDA_VISIBLE_DEVICES"] == "0,1,2,3,4,5,6,7"
    assert (head.env["GLOO_SOCKET_IFNAME"], other.env["VLLM_HOST_IP"]) == ("eth0", "10.0.0.2")
    assert "GLOO_SOCKET_IFNAME" not in other.env


def test_what_the_recipe_says_of_the_network_stands() -> None:
    over = recipe(NAME, **OVER_TWO)
    over.engine.env["NCCL_SOCKET_IFNAME"] = "ib0"
    (head,) = plan(over, part=part(0, env={"NCCL_SOCKET_IFNAME": "eth0"})).processes
    assert head.env["NCCL_SOCKET_IFNAME"] == "ib0"


def test_data_parallel_parts_have_a_port_of_their_own_beside() -> None:
    over = recipe(NAME, parallel=Parallel(dp=2, nodes=2), gpu=GpuChoice("b200", 2))
    (server,) = plan(over, part=part(1)).processes
    assert value(server.argv, "--data-parallel-rpc-port") == "29501"
    assert VLLM.meeting_ports == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"speculation": SpeculationChoice(3)}, "speculation.method: a real engine must be told"),
        ({"disaggregated": DisaggregatedChoice(1, 1)}, "disaggregated: vLLM alone .* use engine dynamo"),
        ({"parallel": Parallel(tp=2, dp=2, dp_attention=True)}, "parallel.dp: dp_attention splits over tp already"),
    ],
)
def test_what_vllm_cannot_do_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        plan(recipe(NAME, **changes))


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("  Value error, Total number of attention heads (2) must be divisible by tensor parallel size (3).", "tp = 3"),
        ("Based on the available memory, the estimated maximum model length is 8192.", "holds 8192 tokens"),
        ("ValueError: Free memory on device (1.2/79.1 GiB) on startup is less than desired GPU", "is not free"),
    ],
)
def test_the_reason_of_a_failed_start_is_known(line: str, advice: str) -> None:
    found = next((one, match) for one in VLLM.failures if (match := one.pattern.search(line)))
    groups = found[1].groups()
    assert advice in found[0].advice.replace("{1}", groups[0] if groups else "")
