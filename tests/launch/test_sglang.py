import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch import DisaggregatedChoice, Parallel
from tests.launch.plans import plan, recipe, value


def test_the_server_is_started_as_the_recipe_says() -> None:
    (server,) = plan(recipe("deepseek-r1-fp4-b200-sglang")).processes
    assert server.argv[:3] == ("/venv/bin/python", "-m", "sglang.launch_server")
    assert value(server.argv, "--model-path") == "nvidia/DeepSeek-R1-0528-FP4-V2"
    assert (value(server.argv, "--tp-size"), value(server.argv, "--ep-size")) == ("4", "4")
    assert value(server.argv, "--mem-fraction-static") == "0.85"
    assert "--disable-radix-cache" in server.argv
    assert server.env["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"


def test_mtp_is_eagle_with_the_models_own_layer() -> None:
    (server,) = plan(recipe("deepseek-r1-fp8-b200-mtp-sglang")).processes
    assert value(server.argv, "--speculative-algorithm") == "EAGLE"
    assert value(server.argv, "--speculative-num-steps") == "2"
    assert value(server.argv, "--speculative-num-draft-tokens") == "3"
    assert "--speculative-draft-model-path" not in server.argv
    assert "SGLANG_SIMULATE_ACC_LEN" not in server.env


def test_drafts_on_random_weights_are_accepted_as_stated() -> None:
    (server,) = plan(recipe("deepseek-r1-fp8-b200-mtp-sglang"), dummy_weights=True).processes
    assert server.env["SGLANG_SIMULATE_ACC_LEN"] == "2.2"


def test_dp_attention_is_data_parallelism_inside_the_group() -> None:
    apart = recipe("deepseek-r1-fp4-b200-sglang", parallel=Parallel(tp=4, ep=4, dp_attention=True))
    (server,) = plan(apart).processes
    assert (value(server.argv, "--tp-size"), value(server.argv, "--dp-size")) == ("4", "4")
    assert "--enable-dp-attention" in server.argv


def test_what_sglang_alone_cannot_do_is_refused() -> None:
    with pytest.raises(UsageError, match=r"disaggregated: SGLang alone .* engine dynamo"):
        plan(recipe("tiny-cpu-sglang", disaggregated=DisaggregatedChoice(1, 1)))
