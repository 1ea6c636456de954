from typing import Any

from imaxproxy.report.engine_lines import engine_lines

VIEW: dict[str, Any] = {
    "url": "http://e:1", "engine": "vllm", "samples": 9, "failed_samples": 0, "running": {"mean": 7.5, "max": 8},
    "waiting": {"mean": 0.25, "max": 3}, "kv_share": {"mean": 0.12, "max": 0.5}, "prefix_hit_share": 0.034,
    "preemptions": 0, "accept_length_tokens": None, "ttft_ms": {"mean": 50.0, "count": 3}, "itl_ms": None,
    "ttft_over_engines_ms": 0.75, "itl_over_engines_ms": None,
}  # fmt: skip
STATS = {"mean_ms": 0.5, "p99_ms": 1.25, "engines_mean_ms": 20.0}


def test_an_engine_that_said_nothing_has_no_line() -> None:
    assert engine_lines(None) == []
    assert engine_lines({"gpu": "h200"}) == []


def test_what_it_said_is_one_line() -> None:
    assert engine_lines({"metrics": [VIEW]}) == [
        "vllm says: 7.5 running (at most 8), 0.2 waiting (at most 3), KV 12 % full (at most 50 %), "
        "3.4 % of prompts from its cache, mean TTFT 50.00 ms (ours +0.75)"
    ]


def test_what_is_rare_is_said_when_it_happened() -> None:
    view = VIEW | {"preemptions": 4, "accept_length_tokens": 2.5, "failed_samples": 1}
    (line,) = engine_lines({"metrics": [view]})
    assert "4 preempted, 2.50 tokens a step accepted" in line
    assert line.endswith("1 samples failed")


def test_several_engines_are_told_apart_and_a_silent_one_is_named() -> None:
    silent = VIEW | {"url": "http://f:1", "samples": 0, "failed_samples": 9}
    first, second = engine_lines({"metrics": [VIEW, silent]})
    assert first.startswith("http://e:1: 7.5 running")
    assert second == "http://f:1 told nothing of itself: 9 samples failed"


def test_its_own_times_of_requests() -> None:
    timing = {"ttft_over_engines": STATS, "tpot_over_engines": None}
    assert engine_lines({"timing": timing}) == [
        "ours against its own times: TTFT +0.50 ms (p99 +1.25) to its own 20.00"
    ]
