"""GuideLLM's report. That GuideLLM itself reads it, and reckons the same, is held by test_real_tools.py."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from imaxproxy.errors import UsageError
from imaxproxy.metrics import Outcome
from imaxproxy.runs.exports import export
from runs.made_run import ENGINE, EXCHANGES, UNIX_S, answered, make_run


def written(path: Path, *said: str, **run: Any) -> dict[str, Any]:  # noqa: ANN401 (make_run's)
    (file,), notes = export(make_run(path, **run), "guidellm", said, None)
    assert (file.name, notes) == ("benchmarks.json", [])
    return dict(orjson.loads(file.read_bytes()))


def test_a_report_with_one_benchmark(tmp_path: Path) -> None:
    report = written(tmp_path)
    assert (report["metadata"]["version"], report["metadata"]["guidellm_version"]) == (2, "0.8.1")
    assert report["config"]["metadata"]["labels"] == {"measured_by": "imaxproxy", "simulated": "false"}
    (benchmark,) = report["benchmarks"]
    assert benchmark["config"]["strategy"] == {"type_": "concurrent", "streams": 4}
    assert benchmark["start_time"] == pytest.approx(UNIX_S)
    assert benchmark["duration"] == pytest.approx(2.005)  # the refusal's 5 ms are the last
    metrics = benchmark["metrics"]
    assert metrics["request_totals"] == {"successful": 3, "errored": 1, "incomplete": 0, "total": 4}
    ttft = metrics["time_to_first_token_ms"]["successful"]
    assert (ttft["count"], ttft["min"], ttft["max"]) == (3, pytest.approx(50), pytest.approx(100))
    # 30 ms over 3 tokens, 60 over 3, 40 over 5
    itl = metrics["inter_token_latency_ms"]["total"]
    assert itl["mean"] == pytest.approx((30 + 60 + 40) / (3 + 3 + 5), rel=1e-4)
    # 130 ms over 4 tokens, 160 over 4, 90 over 6: the wait for the first one in it
    tpot = metrics["time_per_output_token_ms"]["successful"]
    assert tpot["mean"] == pytest.approx((130 + 160 + 90) / (4 + 4 + 6), rel=1e-4)
    assert metrics["output_token_count"]["successful"]["total_sum"] == pytest.approx(14)
    assert metrics["request_dispatch_delay"] is None  # a closed loop has no schedule
    assert metrics["text"]["words"]["output"] is None


def test_every_request_with_its_times_and_what_they_come_to(tmp_path: Path) -> None:
    requests = written(tmp_path)["benchmarks"][0]["requests"]
    assert [len(requests[status]) for status in ("successful", "errored", "incomplete")] == [3, 1, 0]
    third = requests["successful"][2]
    timings = third["info"]["timings"]
    assert timings["request_start"] == pytest.approx(UNIX_S + 1.05, abs=1e-6)
    assert timings["targeted_start"] == pytest.approx(UNIX_S + 1.048, abs=1e-6)
    assert timings["token_iterations"] == 3
    assert third["time_to_first_output_token_ms"] == pytest.approx(60, abs=1e-3)  # the first event is reasoning
    assert third["request_latency"] == pytest.approx(0.091, abs=1e-6)
    assert (third["prompt_tokens"], third["output_tokens"], third["total_tokens"]) == (30, 6, 36)
    assert third["output_tokens_per_iteration"] == 2
    assert third["iter_tokens_per_iteration"] == 2.5
    assert requests["errored"][0]["info"]["error"] == "slow down"
    assert requests["errored"][0]["time_to_first_token_ms"] is None


@pytest.mark.parametrize(
    ("settings", "strategy", "scheduled"),
    [
        ({"concurrency": 8}, {"type_": "concurrent", "streams": 8}, False),
        ({"rate": 2.5, "seed": 7}, {"type_": "poisson", "rate": 2.5, "random_seed": 7}, True),
        ({"rate": 2.5, "arrivals": "constant"}, {"type_": "constant", "rate": 2.5}, True),
        (
            {"rate": 2.5, "arrivals": "gamma:0.5"},
            {"type_": "trace", "time_scale": 1, "schedule_turn": "timestamp"},
            True,
        ),
        ({"speed": 2.0}, {"type_": "trace", "time_scale": 0.5, "schedule_turn": "timestamp"}, True),
        ({}, {"type_": "throughput"}, False),  # a proxy's run: nobody planned it
    ],
)
def test_the_load_by_the_name_that_guidellm_has_for_it(
    tmp_path: Path, settings: dict[str, Any], strategy: dict[str, Any], scheduled: bool
) -> None:
    (benchmark,) = written(tmp_path, settings=settings)["benchmarks"]
    assert benchmark["config"]["strategy"] == strategy
    assert benchmark["scheduler_metrics"]["strategy_type"] == strategy["type_"]
    delay = benchmark["metrics"]["request_dispatch_delay"]
    if scheduled:
        assert delay["total"]["mean"] == pytest.approx(0.0015, abs=1e-6)  # 2 ms each, and the refused one at once
    else:
        assert delay is None


def test_conversations_are_told_by_turn(tmp_path: Path) -> None:
    sessions = [replace(each, ask=replace(each.ask, session_id="s")) for each in EXCHANGES[:3]]
    (benchmark,) = written(tmp_path, exchanges=sessions)["benchmarks"]
    turns = benchmark["metrics"]["turns"]
    assert [turn["turn_index"] for turn in turns] == [0, 1, 2]
    assert [turn["request_totals"]["successful"] for turn in turns] == [1, 1, 1]
    assert turns[2]["prompt_token_count"]["total"]["max"] == 30


def test_who_left_is_incomplete_and_not_errored(tmp_path: Path) -> None:
    left = replace(answered(3.0), outcome=Outcome.ABORTED, error="client_left")
    (benchmark,) = written(tmp_path, exchanges=[*EXCHANGES, left])["benchmarks"]
    assert benchmark["metrics"]["request_totals"] == {"successful": 3, "errored": 1, "incomplete": 1, "total": 5}
    assert benchmark["requests"]["incomplete"][0]["info"]["status"] == "cancelled"


def test_a_simulated_run_says_so(tmp_path: Path) -> None:
    report = written(tmp_path, engine=ENGINE | {"simulated": True})
    assert report["config"]["metadata"]["labels"]["simulated"] == "true"
    assert report["benchmarks"][0]["config"]["environment"]["simulated"] == "true"


def test_a_run_without_a_request_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="measured no request"):
        written(tmp_path, exchanges=[])


def test_where_numpy_is_missing_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(UsageError, match=r"pip install 'imaxproxy\[guidellm\]'"):
        written(tmp_path)
