"""Samples made by hand, and what is said of them, worked out by hand."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from imaxproxy.metrics import Ask, EngineTiming, Exchange, Outcome, Timeline, Window, mark
from imaxproxy.metrics.timeline import ANSWER
from imaxproxy.runs import Journal, RunDirectory, summarize
from imaxproxy.runs.engine_view import TimingView, engine_metrics, over_engines

URL = "http://e:1"
HEAD = {"schema": "imaxproxy.engine_metrics/1", "every_s": 1.0, "sources": [{"url": URL, "engine": "vllm"}]}
Row = dict[str, Any]


def sample(second: int, **values: float | str) -> Row:
    return {"time_ns": second * 10**9, "url": URL, **values}


def written(folder: Path, *rows: Row, tail: bytes = b"") -> RunDirectory:
    run = RunDirectory(folder)
    run.engine_metrics.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in (HEAD, *rows)) + tail)
    return run


def test_gauges_are_averaged_and_counters_are_what_was_added(tmp_path: Path) -> None:
    run = written(
        tmp_path,
        sample(0, running=0, kv_share=0.0, prompt_tokens=100, prefix_queries_tokens=100, prefix_hits_tokens=50),
        sample(1, running=4, kv_share=0.5, prompt_tokens=200, prefix_queries_tokens=200, prefix_hits_tokens=60),
        sample(2, error="refused"),
        sample(3, running=2, kv_share=0.4, prompt_tokens=300, prefix_queries_tokens=300, prefix_hits_tokens=100),
    )
    (view,) = engine_metrics(run, Window(10**9, 4 * 10**9))
    assert (view["samples"], view["failed_samples"]) == (3, 1)
    assert view["running"] == {"mean": 2.0, "max": 4}
    assert view["kv_share"]["mean"] == pytest.approx(0.3)
    assert view["prompt_tokens"] == 200
    assert view["prefix_hit_share"] == pytest.approx(50 / 200)
    assert view["preemptions"] is None
    assert view["accept_length_tokens"] is None
    assert view["steady"]["samples"] == 2
    assert view["steady"]["prompt_tokens"] == 100


def test_hits_are_of_the_prompts_where_look_ups_are_not_counted(tmp_path: Path) -> None:
    run = written(tmp_path, *(sample(i, prompt_tokens=100 * i, prefix_hits_tokens=25 * i) for i in range(3)))
    assert engine_metrics(run, None)[0]["prefix_hit_share"] == pytest.approx(0.25)


def test_accepted_drafts_and_the_token_that_is_always_made(tmp_path: Path) -> None:
    run = written(tmp_path, *(sample(i, drafts=10 * i, draft_tokens=30 * i, accepted_tokens=15 * i) for i in range(2)))
    (view,) = engine_metrics(run, None)
    assert view["accept_length_tokens"] == pytest.approx(2.5)
    assert (view["drafts"], view["draft_tokens"], view["accepted_tokens"]) == (10, 30, 15)


def test_a_gauge_stands_in_where_nothing_is_counted(tmp_path: Path) -> None:
    rows = [sample(i, prefix_hit_share=share, accept_length_tokens=0.0) for i, share in enumerate((0.2, 0.4))]
    (view,) = engine_metrics(written(tmp_path, *rows), None)
    assert view["prefix_hit_share"] == pytest.approx(0.3)
    assert view["accept_length_tokens"] is None  # an engine without drafts says 0


def test_a_counter_that_began_anew_is_not_known(tmp_path: Path) -> None:
    run = written(tmp_path, sample(0, output_tokens=500), sample(1, output_tokens=3), sample(2, output_tokens=9))
    assert engine_metrics(run, None)[0]["output_tokens"] is None


def test_histograms_give_the_mean_of_what_was_added_and_ours_stands_beside_it(tmp_path: Path) -> None:
    run = written(
        tmp_path,
        sample(0, ttft_seconds_sum=1.0, ttft_seconds_count=10),
        sample(1, ttft_seconds_sum=1.5, ttft_seconds_count=20),
    )
    (view,) = engine_metrics(run, None)
    assert view["ttft_ms"] == {"mean": pytest.approx(50.0), "count": 10}
    assert over_engines(view, {"ttft": 51.0, "itl": 4.0}) == {
        "ttft_over_engines_ms": pytest.approx(1.0),
        "itl_over_engines_ms": None,
    }


def test_no_file_half_a_line_and_another_schema_are_no_view(tmp_path: Path) -> None:
    assert engine_metrics(RunDirectory(tmp_path), None) == []
    run = written(tmp_path, sample(0, running=1), tail=b'{"time_ns":1')
    assert engine_metrics(run, None)[0]["samples"] == 1
    run.engine_metrics.write_bytes(b'{"schema":"other/1","sources":[]}\n')
    assert engine_metrics(run, None) == []


def timed(ttft_ms: int, engines: EngineTiming | None) -> Exchange:
    """Sent at 1 s, three tokens 10 ms apart."""
    sent_ns = 10**9
    ask = Ask("r", "/v1/chat/completions", sent_ns, sent_ns, dialect="chat")
    times_ns = [sent_ns + (ttft_ms + gap_ms) * 10**6 for gap_ms in (0, 10, 20)]
    timeline = Timeline(times_ns, [mark(ANSWER, 1)] * 3)
    return Exchange(ask, Outcome.COMPLETED, times_ns[-1], 200, streamed=True, timing=engines, timeline=timeline)


def test_our_times_stand_beside_the_engines_own_request_by_request() -> None:
    view = TimingView()
    assert view.stats() is None
    view.add(timed(50, None))
    view.add(timed(50, EngineTiming(ttft_ms=49.0, itl_ms=9.5)))
    view.add(timed(60, EngineTiming(ttft_ms=57.0)))
    stats = view.stats()
    assert stats is not None
    assert (stats["ttft_over_engines"]["count"], stats["ttft_over_engines"]["mean_ms"]) == (2, pytest.approx(2.0))
    assert stats["tpot_over_engines"]["mean_ms"] == pytest.approx(0.5)


def test_the_summary_joins_both(tmp_path: Path) -> None:
    run = written(tmp_path, sample(0, running=0, output_tokens=0), sample(2, running=1, output_tokens=3))
    journal = Journal(run)
    journal.add(timed(50, EngineTiming(ttft_ms=49.0, itl_ms=10.0, queue_ms=0.1)))
    journal.close()
    engine = summarize(run)["engine"]
    assert engine["metrics"][0]["output_tokens"] == 3
    assert engine["timing"]["ttft_over_engines"]["mean_ms"] == pytest.approx(1.0)
