from pathlib import Path

import orjson
import pytest

from imaxproxy.errors import UsageError
from imaxproxy.runs.exports import export
from runs.made_run import ENGINE, UNIX_S, answered, make_run

ORDER = [
    "date", "endpoint_type", "backend", "label", "model_id", "tokenizer_id", "num_prompts", "measured_by", "simulated",
    "request_rate", "burstiness", "max_concurrency", "duration", "completed", "failed", "total_input_tokens",
    "total_output_tokens", "request_throughput", "request_goodput", "output_throughput", "total_token_throughput",
    "latencies", "max_output_tokens_per_s", "max_concurrent_requests",
]  # fmt: skip


def test_keys_in_their_order_and_units(tmp_path: Path) -> None:
    (path,), notes = export(make_run(tmp_path), "vllm", (), None)
    found = orjson.loads(path.read_bytes())
    assert path == tmp_path / "exports" / "vllm.json"
    assert notes == []
    stats = [f"{stat}_{metric}_ms" for metric in ("ttft", "tpot", "itl", "e2el")
             for stat in ("mean", "median", "std", "p50", "p90", "p95", "p99")]  # fmt: skip
    assert list(found) == ORDER + stats
    assert (found["completed"], found["failed"], found["max_concurrent_requests"]) == (3, 1, 2)
    assert found["latencies"] == pytest.approx([0.13, 0.16, 0.09, 0.0])  # seconds, 0 for what failed
    assert found["mean_e2el_ms"] == pytest.approx((130 + 160 + 90) / 3)
    assert found["p50_ttft_ms"] == found["median_ttft_ms"]
    assert found["max_concurrency"] == 4
    assert found["simulated"] is False


def test_details_are_lists_of_every_request(tmp_path: Path) -> None:
    (path,), _ = export(make_run(tmp_path / "run"), "vllm", (), tmp_path / "v.json", detailed=True)
    found = orjson.loads(path.read_bytes())
    assert found["input_lens"] == [10, 10, 30, 0]
    assert found["itls"][2] == pytest.approx([0.01, 0.03])
    assert found["start_times"] == pytest.approx([UNIX_S, UNIX_S + 1, UNIX_S + 1.05, UNIX_S + 2])
    assert found["errors"] == ["", "", "", "http_429"]


def test_a_simulated_run_says_so(tmp_path: Path) -> None:
    (path,), _ = export(make_run(tmp_path, engine=ENGINE | {"simulated": True}), "vllm", (), None)
    assert orjson.loads(path.read_bytes())["simulated"] is True


def test_a_run_without_tokens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no TPOT"):
        export(make_run(tmp_path, [answered(0, [])]), "vllm", (), None)
