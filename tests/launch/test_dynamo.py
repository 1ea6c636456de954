import json

from imaxproxy.launch import Parallel
from tests.launch.plans import RUN_DIR, plan, recipe, value


def test_a_worker_and_a_frontend_find_each_other_by_files() -> None:
    made = plan(recipe("tiny-dynamo-mocker"), port=8731)
    worker, frontend = made.processes
    assert (worker.name, frontend.name) == ("worker", "frontend")
    assert worker.argv[:3] == ("/venv/bin/python", "-m", "dynamo.mocker")
    assert value(worker.argv, "--model-name") == "tiny"
    assert frontend.argv[2] == "dynamo.frontend"
    assert value(frontend.argv, "--http-port") == "8731"
    assert made.folders == (RUN_DIR / "dynamo-discovery",)
    for process in made.processes:
        assert value(process.argv, "--discovery-backend") == "file"
        assert process.env["DYN_FILE_KV"] == str(RUN_DIR / "dynamo-discovery")
        assert process.env["DYN_TCP_RPC_HOST"] == "127.0.0.1"


def test_prefill_and_decode_are_workers_apart() -> None:
    names = [process.name for process in plan(recipe("tiny-dynamo-mocker-disaggregated")).processes]
    assert names == ["prefill-0", "decode-0", "frontend"]
    prefill, decode, frontend = plan(recipe("tiny-dynamo-mocker-disaggregated")).processes
    assert value(prefill.argv, "--disaggregation-mode") == "prefill"
    assert value(decode.argv, "--disaggregation-mode") == "decode"
    assert value(frontend.argv, "--router-mode") == "kv"


def test_replicas_are_workers() -> None:
    made = plan(recipe("tiny-dynamo-mocker", parallel=Parallel(dp=3)))
    assert [process.name for process in made.processes] == ["worker-0", "worker-1", "worker-2", "frontend"]


def test_trtllm_workers_have_their_own_split_limits_and_options() -> None:
    made = plan(recipe("deepseek-r1-fp4-gb200-low-latency-dynamo-trtllm"))
    prefill, decode = made.processes[0], made.processes[1]
    assert (value(prefill.argv, "--max-batch-size"), value(decode.argv, "--max-batch-size")) == ("2", "16")
    assert (value(prefill.argv, "--tensor-parallel-size"), value(decode.argv, "--tensor-parallel-size")) == ("4", "8")
    assert prefill.env["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"
    assert decode.env["CUDA_VISIBLE_DEVICES"] == "4,5,6,7,8,9,10,11"
    said = [json.loads(made.files[RUN_DIR / f"trtllm-options-{name}.yaml"]) for name in ("prefill-0", "decode-0")]
    assert said[0]["kv_cache_config"]["free_gpu_memory_fraction"] == 0.6
    assert said[1]["kv_cache_config"]["free_gpu_memory_fraction"] == 0.9
    assert said[0]["cuda_graph_config"] is None  # "null" in the recipe: TOML has none
    assert said[0]["enable_attention_dp"] is True
    assert "enable_attention_dp" not in said[1]


def test_the_frontend_parses_reasoning() -> None:
    (worker, _frontend) = plan(recipe("gpt-oss-120b-b200-dynamo-vllm")).processes
    assert value(worker.argv, "--dyn-reasoning-parser") == "gpt_oss"
    assert "--reasoning-parser" not in worker.argv
