import json

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch import DisaggregatedChoice, Parallel, SpeculationChoice
from imaxproxy.launch.vllm import VLLM
from tests.launch.plans import plan, recipe, value

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
