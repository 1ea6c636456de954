from pathlib import Path

import orjson
import pytest

from imaxproxy.runs.exports import export
from runs.made_run import make_run

KEYS = {
    "tag", "backend", "dataset_name", "request_rate", "max_concurrency", "sharegpt_output_len", "random_input_len",
    "random_output_len", "random_range_ratio", "server_info", "duration", "completed", "total_input_tokens",
    "total_input_text_tokens", "total_input_vision_tokens", "total_output_tokens", "total_output_tokens_retokenized",
    "request_throughput", "input_throughput", "output_throughput", "total_throughput", "concurrency", "accept_length",
    "max_output_tokens_per_s", "max_concurrent_requests",
    *(
        f"{stat}_{metric}_ms"
        for stat in ("mean", "median", "std", "p90", "p95", "p99")
        for metric in ("e2e_latency", "ttft", "tpot", "itl")
    ),
}  # fmt: skip
DETAILS = {"input_lens", "output_lens", "ttfts", "itls", "errors", "cached_tokens"}


@pytest.mark.parametrize("detailed", [False, True])
def test_one_line_with_their_keys(tmp_path: Path, detailed: bool) -> None:
    (path,), _ = export(make_run(tmp_path), "sglang", ("isl=1024",), None, detailed=detailed)
    (line,) = path.read_bytes().splitlines()
    found = orjson.loads(line)
    assert set(found) == KEYS | {"measured_by", "simulated"} | (DETAILS if detailed else set())
    assert (found["random_input_len"], found["request_rate"]) == (1024, "inf")
    assert found["concurrency"] == pytest.approx((0.13 + 0.16 + 0.09) / 2.005)
    assert found["total_throughput"] == pytest.approx(found["input_throughput"] + found["output_throughput"])
