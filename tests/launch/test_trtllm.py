import json
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch import Parallel, Plan
from tests.launch.plans import RUN_DIR, plan, recipe, value


def options(made: Plan) -> dict[str, Any]:
    (text,) = made.files.values()
    read: dict[str, Any] = json.loads(text)
    return read


def test_flags_have_underscores_and_the_rest_is_a_file() -> None:
    made = plan(recipe("gpt-oss-120b-b200-trtllm"))
    (server,) = made.processes
    assert server.argv[:5] == (
        *("/venv/bin/python", "-m", "tensorrt_llm.commands.serve", "serve"),
        "openai/gpt-oss-120b",
    )
    assert value(server.argv, "--max_batch_size") == "512"
    assert value(server.argv, "--extra_llm_api_options") == str(RUN_DIR / "trtllm-options.yaml")
    assert list(made.files) == [Path("/runs/1/trtllm-options.yaml")]
    assert options(made)["kv_cache_config"] == {
        "free_gpu_memory_fraction": 0.85,
        "dtype": "fp8",
        "enable_block_reuse": False,
    }
    assert options(made)["stream_interval"] == 20
    assert options(made)["moe_config"] == {"backend": "TRTLLM"}


def test_an_extending_recipe_changes_single_options() -> None:
    said = options(plan(recipe("deepseek-r1-fp4-b200-dep4-trtllm")))
    assert said["cuda_graph_config"] == {"enable_padding": True, "max_batch_size": 64}
    assert said["enable_attention_dp"] is True


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("deepseek-r1-fp8-h200-mtp-trtllm", {"decoding_type": "MTP", "num_nextn_predict_layers": 3}),
        (
            "gpt-oss-120b-b200-eagle3-trtllm",
            {
                "decoding_type": "Eagle",
                "max_draft_len": 3,
                "speculative_model_dir": "nvidia/gpt-oss-120b-Eagle3",
            },
        ),
    ],
)
def test_drafting_is_an_option(name: str, config: dict[str, object]) -> None:
    assert options(plan(recipe(name)))["speculative_config"] == config


def test_random_weights_and_their_drafts() -> None:
    made = plan(recipe("deepseek-r1-fp8-h200-mtp-trtllm"), dummy_weights=True)
    assert options(made)["load_format"] == "dummy"
    assert made.processes[0].env["TLLM_SPEC_DECODE_FORCE_NUM_ACCEPTED_TOKENS"] == "1.4"


def test_replicas_are_refused() -> None:
    with pytest.raises(UsageError, match=r"parallel.dp: trtllm-serve runs one replica"):
        plan(recipe("gpt-oss-120b-b200-trtllm", parallel=Parallel(dp=2)))
