import re

from imaxproxy.power import PowerSample
from imaxproxy.sim.serving_stats import ServingStats
from imaxproxy.sim.truth import TruthRecord

STATE = {
    "running": 3,
    "in_prefill": 1,
    "waiting": 2,
    "arriving": 4,
    "kv_used_blocks": 25,
    "kv_blocks": 100,
    "preemptions": 6,
    "drafted_tokens": 30,
    "accepted_tokens": 12,
}


def record(end: str, written_ns: list[int], tokens: int = 1) -> TruthRecord:
    made = TruthRecord(t_parsed_ns=0, isl=10, osl=5, end=end)
    for time_ns in written_ns:
        made.events.fromlist([time_ns, time_ns, time_ns, tokens])
    return made


def values(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"^([\w:]+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)}


def test_requests_are_counted_as_they_end() -> None:
    stats = ServingStats("tiny")
    stats.add(record("length", [20_000_000, 25_000_000, 30_000_000]), cached_tokens=4)
    stats.add(record("aborted", [20_000_000], tokens=2), cached_tokens=0)
    stats.add(record("fault", []), cached_tokens=0)
    found = values(stats.text(STATE, ()))
    labels = 'engine="0",model_name="tiny"'
    assert found[f"vllm:prompt_tokens_total{{{labels}}}"] == 30
    assert found[f"vllm:prefix_cache_hits_total{{{labels}}}"] == 4
    assert found[f"vllm:generation_tokens_total{{{labels}}}"] == 5
    ends = {
        reason: found[f'vllm:request_success_total{{{labels},finished_reason="{reason}"}}']
        for reason in ("length", "abort", "error", "stop")
    }
    assert ends == {"length": 1, "abort": 1, "error": 1, "stop": 0}
    assert found[f"vllm:time_to_first_token_seconds_sum{{{labels}}}"] == 0.04
    assert found[f"vllm:inter_token_latency_seconds_count{{{labels}}}"] == 2
    assert found[f'vllm:inter_token_latency_seconds_bucket{{{labels},le="+Inf"}}'] == 2


def test_gauges_are_of_the_engine_now() -> None:
    found = values(ServingStats("tiny").text(STATE, ()))
    labels = 'engine="0",model_name="tiny"'
    assert found[f"vllm:num_requests_running{{{labels}}}"] == 4
    assert found[f"vllm:num_requests_waiting{{{labels}}}"] == 6
    assert found[f"vllm:kv_cache_usage_perc{{{labels}}}"] == 0.25
    assert found[f"vllm:spec_decode_num_accepted_tokens_total{{{labels}}}"] == 12


def test_boards_have_dcgms_names_and_say_that_they_are_simulated() -> None:
    sample = PowerSample(0, "sim-gpu-3", power_w=512.5, energy_mj=1_234_567.4, simulated=True)
    found = values(ServingStats("tiny").text(STATE, [sample]))
    labels = 'gpu="3",UUID="sim-gpu-3",modelName="simulated"'
    assert found[f"DCGM_FI_DEV_POWER_USAGE{{{labels}}}"] == 512.5
    assert found[f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{labels}}}"] == 1_234_567
