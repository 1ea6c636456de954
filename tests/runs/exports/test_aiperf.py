from pathlib import Path

import orjson
import pytest

from imaxproxy.runs.exports import export
from runs.made_run import ENGINE, UNIX_S, make_run


def test_a_line_a_request_and_the_run(tmp_path: Path) -> None:
    (rows, whole), _ = export(make_run(tmp_path), "aiperf", (), None)
    assert (rows.name, whole.name) == ("profile_export.jsonl", "profile_export_aiperf.json")
    lines = [orjson.loads(line) for line in rows.read_bytes().splitlines()]
    assert len(lines) == 4
    third = lines[2]["metrics"]  # 3 events of 2 tokens, the first of them reasoning: 50 ms, then 10 and 30
    assert third["inter_token_latency"] == {"value": pytest.approx(40 / 5), "unit": "ms"}
    assert third["inter_chunk_latency"] == {"value": [10, 30], "unit": "ms"}
    assert third["time_to_first_output_token"]["value"] == pytest.approx(60)
    assert (third["output_sequence_length"]["value"], third["output_token_count"]["value"]) == (6, 4)
    assert lines[2]["metadata"]["request_start_ns"] == pytest.approx((UNIX_S + 1.05) * 1e9)
    assert lines[2]["metadata"]["credit_issued_ns"] == pytest.approx((UNIX_S + 1.048) * 1e9)
    assert lines[3]["error"] == {"code": 429, "type": "http_429", "message": "slow down"}
    assert lines[3]["metrics"] == {}

    run = orjson.loads(whole.read_bytes())
    assert run["schema_version"] == "1.4"
    latency = run["request_latency"]
    assert set(latency) == {
        "unit", "avg", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "min", "max", "std", "count", "sum",
    }  # fmt: skip
    assert (latency["unit"], latency["count"]) == ("ms", 3)
    assert latency["p50"] == pytest.approx(130)
    assert run["request_count"]["avg"] == 3
    assert run["error_request_count"]["avg"] == 1
    assert run["output_token_throughput"]["avg"] == pytest.approx(14 / run["benchmark_duration"]["avg"])
    assert run["error_summary"] == [{"error_details": {"type": "http_429", "message": "http_429"}, "count": 1}]
    assert run["simulated"] is False


def test_a_simulated_run_says_so_on_every_line(tmp_path: Path) -> None:
    (rows, whole), _ = export(make_run(tmp_path, engine=ENGINE | {"simulated": True}), "aiperf", (), None)
    assert all(orjson.loads(line)["simulated"] for line in rows.read_bytes().splitlines())
    assert orjson.loads(whole.read_bytes())["simulated"] is True


@pytest.mark.parametrize(
    ("settings", "phase"),
    [
        ({"concurrency": 8}, {"type": "concurrency", "concurrency": 8, "requests": 4}),
        ({"rate": 2.5}, {"type": "poisson", "rate": 2.5, "requests": 4}),
        ({"rate": 2.5, "arrivals": "gamma:0.5"}, {"type": "gamma", "rate": 2.5, "requests": 4}),
        ({"rate": 2.5, "arrivals": "onoff:1,2"}, {"type": "fixed_schedule", "requests": 4}),  # it has no such thing
        ({"speed": 1.0}, {"type": "fixed_schedule", "requests": 4}),
    ],
)
def test_how_it_would_have_been_told_to_play_it(tmp_path: Path, settings: dict[str, object], phase: object) -> None:
    settings = {"model": "m", "endpoint": "chat", "url": "http://127.0.0.1:8000/v1", **settings}
    record = make_run(tmp_path, settings=settings, trace={"path": "t.jsonl", "skipped": 0, "clamped": 0})
    (_, whole), _ = export(record, "aiperf", (), None)
    config = orjson.loads(whole.read_bytes())["input_config"]
    assert config["phases"] == [{"name": "profiling", **phase}]  # type: ignore[dict-item]
    assert config["endpoint"] == {"urls": ["http://127.0.0.1:8000/v1"], "type": "chat", "streaming": True}
    assert config["models"] == {"items": [{"name": "m"}]}
    assert config["datasets"][0]["path"] == "t.jsonl"


def test_what_aiperf_cannot_be_told_is_left_out(tmp_path: Path) -> None:
    (_, whole), _ = export(make_run(tmp_path, trace=None), "aiperf", (), None)
    assert "input_config" not in orjson.loads(whole.read_bytes())  # a null would break its loader
