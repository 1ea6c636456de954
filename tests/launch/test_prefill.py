from imaxproxy.launch import Limits, simulated_argv
from imaxproxy.launch.prefill import prefill_recipe
from tests.launch.plans import recipe

NAME = "deepseek-r1-fp4-gb200-dynamo-trtllm"


def test_a_prefill_worker_has_its_own_split_and_what_differs() -> None:
    found = recipe(NAME)
    prefill = prefill_recipe(found)
    assert (prefill.parallel.tp, prefill.parallel.ep, prefill.parallel.dp_attention) == (4, 4, True)
    assert prefill.limits == Limits(
        max_num_seqs=2,
        max_num_batched_tokens=16640,
        max_model_len=8232,
        memory_fraction=0.6,
        kv_cache_dtype="fp8",
        prefix_caching=False,
        stream_interval=100,
    )
    assert prefill.engine.options["moe_config"]["backend"] == "TRTLLM"
    assert found.engine.options["moe_config"]["backend"] == "CUTEDSL"


def test_the_simulator_reads_prompts_in_the_prefill_workers_chunks() -> None:
    """DP attention bounds each of the four GPUs that read, and each of the sixteen that decode."""
    argv = simulated_argv(recipe(NAME))
    assert argv[argv.index("--max-num-batched-tokens") + 1] == str(4 * 16640)
    assert argv[argv.index("--max-num-seqs") + 1] == str(16 * 256)
