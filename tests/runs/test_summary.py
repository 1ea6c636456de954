"""A journal made by hand, and what each figure of its summary must be, worked out by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.economics import Terms
from imaxproxy.errors import UsageError
from imaxproxy.metrics import (
    ANSWER,
    METRICS,
    Ask,
    CountedBy,
    Exchange,
    HealthSample,
    Outcome,
    Timeline,
    Usage,
    mark,
)
from imaxproxy.runs import Journal, Manifest, RunDirectory, read_hlog, summarize

ZERO_NS = 1_000 * NS_PER_S
STATS = {"count", "mean", "min", "max", "p50", "p75", "p90", "p95", "p99", "p999"}
REQUESTS = {"sent", "completed", "failed", "aborted", "truncated", "by_error"}
TOKENS = {"input", "output", "reasoning", "cached", "counted_by"}
THROUGHPUT = {
    "requests_per_s", "output_tokens_per_s", "total_tokens_per_s", "output_tokens_per_s_per_gpu",
    "total_tokens_per_s_per_gpu",
}  # fmt: skip
METER = {
    "valid", "reasons", "steady", "cpu_share", "loop_lag_ms", "read_lag_ms", "stamped_by", "coalesced_event_share",
    "offered_rate", "achieved_rate",
}  # fmt: skip
DESIGNED = {
    "schema", "simulated", "started_at", "duration_s", "requests", "tokens", "throughput", "ttft_ms",
    "ttft_from_schedule_ms", "ttfo_ms", "itl_ms", "event_gap_ms", "tpot_ms", "e2e_ms", "e2e_from_schedule_ms",
    "tps_per_user", "e2e_tps_per_user", "send_lag_ms", "windows", "meter", "energy", "cost", "slo",
}  # fmt: skip
"""The schema `imaxproxy.summary/1`; others rely on it."""


def at(second: float) -> int:
    return ZERO_NS + round(second * NS_PER_S)


def answered(second: float, **more: Any) -> Exchange:  # noqa: ANN401
    """Sent 2 ms late; the first of 4 tokens after 100 ms, the others 10 ms apart; 10 tokens in, 6 of them cached."""
    sent_ns = at(second)
    ask = Ask("r", "/v1/chat/completions", sent_ns, sent_ns, sent_ns - 2 * NS_PER_MS, dialect="chat")
    times_ns = [sent_ns + offset_ms * NS_PER_MS for offset_ms in (100, 110, 120, 130)]
    return Exchange(
        ask, Outcome.COMPLETED, times_ns[-1], 200, streamed=True, model="m", finish_reason="stop",
        usage=Usage(10, 4, 0, 6), counted_by=CountedBy.USAGE, timeline=Timeline(times_ns, [mark(ANSWER, 1)] * 4),
        **more,
    )  # fmt: skip


def failed(second: float) -> Exchange:
    ask = Ask("f", "/v1/chat/completions", at(second), at(second), at(second) - 2 * NS_PER_MS, dialect="chat")
    return Exchange(ask, Outcome.FAILED, at(second) + NS_PER_MS, 503, "http_503", "busy")


STEADY_RUN = [answered(second) for second in range(6)] + [failed(2.5)]
HEALTHY = HealthSample(0, at(1), NS_PER_S, NS_PER_S // 4, {100: 50})
MANIFEST = Manifest("replay", ["imaxproxy"], {}, ended="finished", started_at="2026-11-23T08:00:00.000+00:00")


def summary_of(
    path: Path, exchanges: list[Exchange], manifest: Manifest | None = MANIFEST, health: HealthSample | None = HEALTHY
) -> dict[str, Any]:
    path.mkdir(exist_ok=True)
    run = RunDirectory(path)
    journal = Journal(run)
    for exchange in exchanges:
        journal.add(exchange)
    if health is not None:
        journal.add_health(health)
    journal.close()
    if manifest is not None:
        manifest.write(run)
    summary = summarize(run)
    assert orjson.loads(run.summary.read_bytes()) == summary
    return summary


def test_the_schema_is_exactly_what_others_rely_on(tmp_path: Path) -> None:
    """Nothing of the design is missing; what stands beside it is listed here, so that it is added on purpose."""
    summary = summary_of(tmp_path, STEADY_RUN)
    beside = {"ended", "engine", "trace", "by_upstream", "by_client", "by_tag", "window_method", "timeslices", "shares"}
    beside |= {"models", "ttfb_ms", "ttfe_ms", "prompt_lengths", "cache_warmup"}
    assert set(summary) == DESIGNED | beside
    beside = {"by_ending", "by_flag", "passed_through", "client_retries", "retried", "resent"}
    assert set(summary["requests"]) == REQUESTS | beside
    assert set(summary["tokens"]) == TOKENS | {"uncounted_requests"}
    assert set(summary["throughput"]) == THROUGHPUT
    assert set(summary["meter"]) == METER
    for name in (*METRICS,):
        assert set(summary[name]) == STATS | ({"p01", "p10"} if name.endswith("tps_per_user") else set())
    assert set(summary["meter"]["loop_lag_ms"]) == STATS
    assert set(summary["windows"]) == {"warmup", "steady", "drain"}
    for part in summary["windows"].values():
        assert set(part) == {"start_s", "end_s", "requests", "tokens", "throughput", *METRICS}
    assert (summary["schema"], summary["energy"], summary["slo"]) == ("imaxproxy.summary/1", None, None)


def test_counts_and_rates(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, STEADY_RUN)
    assert summary["duration_s"] == 5.130000001  # from the first send to the last token, which counts
    assert summary["requests"] == {
        "sent": 7, "completed": 6, "failed": 1, "aborted": 0, "truncated": 0, "by_error": {"http_503": 1},
        "by_ending": {"complete": 6, "error_answer": 1}, "by_flag": {}, "retried": 0, "resent": 0,
        "passed_through": 0, "client_retries": 0,
    }  # fmt: skip
    assert summary["tokens"] == {
        "input": 60, "output": 24, "reasoning": 0, "cached": 36, "counted_by": "usage", "uncounted_requests": 0,
    }  # fmt: skip
    throughput = summary["throughput"]
    assert throughput["requests_per_s"] == pytest.approx(6 / 5.13)
    assert throughput["output_tokens_per_s"] == pytest.approx(24 / 5.13)
    assert throughput["total_tokens_per_s"] == pytest.approx(84 / 5.13)
    assert throughput["output_tokens_per_s_per_gpu"] is None
    assert summary["cost"] is None


def test_latencies(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, STEADY_RUN)
    means = {name: summary[name]["mean"] for name in METRICS}
    assert means == pytest.approx(
        {
            "ttfb_ms": None, "ttfe_ms": None,
            "ttft_ms": 100, "ttft_from_schedule_ms": 102, "ttfo_ms": 100, "itl_ms": 10, "event_gap_ms": 10,
            "tpot_ms": 10, "e2e_ms": 130, "e2e_from_schedule_ms": 132, "tps_per_user": 100,
            "e2e_tps_per_user": 30.769, "send_lag_ms": 2,
        },
        abs=1e-6,
    )  # fmt: skip
    counts = {name: summary[name]["count"] for name in ("ttft_ms", "itl_ms", "send_lag_ms")}
    assert counts == {"ttft_ms": 6, "itl_ms": 18, "send_lag_ms": 7}


def test_windows(tmp_path: Path) -> None:
    """Warm-up is the p90 of E2E, 130 ms, which stand in the histogram's bucket up to 130.047."""
    windows = summary_of(tmp_path, STEADY_RUN)["windows"]
    bounds = {name: (part["start_s"], part["end_s"]) for name, part in windows.items()}
    assert bounds == {"warmup": (0.0, 0.130047), "steady": (0.130047, 5.0), "drain": (5.0, 5.130000001)}
    sent = {name: part["requests"]["sent"] for name, part in windows.items()}
    assert sent == {"warmup": 1, "steady": 5, "drain": 1}
    steady = windows["steady"]
    assert steady["requests"]["by_error"] == {"http_503": 1}
    assert steady["throughput"]["output_tokens_per_s"] == pytest.approx(16 / 4.869953)
    assert steady["throughput"]["total_tokens_per_s"] == pytest.approx(56 / 4.869953)
    assert steady["ttft_ms"]["count"] == 4


def test_tokens_count_in_the_window_in_which_they_arrive(tmp_path: Path) -> None:
    """Between the warm-up and the last send nothing is sent; one stream's tokens come all the while."""
    times_ns = [at(second) for second in range(1, 12)]
    long = replace(answered(0), timeline=Timeline(times_ns, [mark(ANSWER, 1)] * 11), ended_ns=times_ns[-1])
    quick = [answered(0)] * 20
    summary = summary_of(tmp_path, [replace(long, usage=Usage(10, 11)), *quick, answered(10)])
    steady = summary["windows"]["steady"]
    assert steady["requests"]["sent"] == 0
    assert steady["throughput"]["output_tokens_per_s"] == pytest.approx(9 / (10 - 0.130047))


def test_the_meter(tmp_path: Path) -> None:
    meter = summary_of(tmp_path, STEADY_RUN)["meter"]
    assert (meter["valid"], meter["reasons"]) == (True, [])
    assert meter["cpu_share"] == 0.25
    assert meter["loop_lag_ms"]["p99"] == 0.1
    assert meter["coalesced_event_share"] == 0.0
    assert meter["offered_rate"] == meter["achieved_rate"] == 6 / 5  # 7 requests, 6 gaps


def test_the_steady_window_has_a_verdict_of_its_own(tmp_path: Path) -> None:
    """Its first second is late, in the warm-up; each of the others is in order."""
    summary = summary_of(tmp_path, STEADY_RUN, health=None)
    steady = summary["windows"]["steady"]
    run = RunDirectory(tmp_path)
    zero_ns = min(exchange.ask.sent_ns for exchange in STEADY_RUN if exchange.ask.sent_ns is not None)
    inside_ns = zero_ns + round((steady["start_s"] + steady["end_s"]) / 2 * NS_PER_S)
    journal = Journal(run)
    journal.add_health(replace(HEALTHY, at_ns=zero_ns, lag_us={5000: 50}))
    journal.add_health(replace(HEALTHY, at_ns=inside_ns))
    journal.close()
    meter = summarize(run)["meter"]
    assert (meter["valid"], meter["steady"]["valid"], meter["steady"]["reasons"]) == (False, True, [])
    assert (meter["loop_lag_ms"]["max"], meter["steady"]["loop_lag_ms"]["max"]) == (5.0, 0.1)
    assert "offered_rate" not in meter["steady"]


@pytest.mark.parametrize(
    ("manifest", "health", "reason"),
    [
        (MANIFEST, None, "meter health was not recorded"),
        (replace(MANIFEST, lost_lines=3), HEALTHY, "3 lines of the journal or the capture could not be written"),
        (MANIFEST, replace(HEALTHY, lag_us={5000: 50}), "loop lag p99 is 5.00 ms"),
    ],
)
def test_a_run_that_is_not_to_be_believed_says_why(
    tmp_path: Path, manifest: Manifest, health: HealthSample | None, reason: str
) -> None:
    meter = summary_of(tmp_path, STEADY_RUN, manifest, health)["meter"]
    assert meter["valid"] is False
    assert reason in meter["reasons"][0]


def test_a_killed_run_is_summarised_like_one_that_ended(tmp_path: Path) -> None:
    run, other = RunDirectory.create(tmp_path / "a", "replay"), RunDirectory.create(tmp_path / "b", "replay")
    ended = summary_of(other.path, STEADY_RUN)
    summary_of(run.path, STEADY_RUN, replace(MANIFEST, ended="killed"))
    with run.journal(0).open("ab") as journal:
        journal.write(b'{"request_id":"half')
    killed = summarize(run)
    assert killed["ended"] == "killed"
    assert {key: value for key, value in killed.items() if key != "ended"} == {
        key: value for key, value in ended.items() if key != "ended"
    }


def test_a_run_without_a_manifest_is_read_all_the_same(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, STEADY_RUN, manifest=None)
    assert (summary["ended"], summary["started_at"], summary["engine"]) == ("killed", None, None)
    assert summary["requests"]["completed"] == 6


@pytest.mark.parametrize("exchanges", [[], [replace(answered(0), ask=replace(answered(0).ask, dialect=None))]])
def test_no_exchanges(tmp_path: Path, exchanges: list[Exchange]) -> None:
    summary = summary_of(tmp_path, exchanges)
    assert summary["duration_s"] == 0.0
    assert summary["requests"]["sent"] == 0
    assert set(summary["throughput"].values()) == {None}
    assert summary["windows"] == {"warmup": None, "steady": None, "drain": None}
    assert (summary["ttft_ms"]["count"], summary["ttft_ms"]["p50"]) == (0, None)
    assert summary["tokens"]["counted_by"] is None


def test_a_simulated_exchange_marks_the_whole_run(tmp_path: Path) -> None:
    assert summary_of(tmp_path, [answered(0, simulated=True), answered(1)])["simulated"] is True


def test_so_does_an_engine_that_says_so(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, STEADY_RUN, replace(MANIFEST, engine={"simulated": True}))
    assert summary["simulated"] is True
    assert summary["engine"] == {"simulated": True}


def test_cost_and_rates_a_gpu_when_the_gpus_are_known(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, STEADY_RUN, replace(MANIFEST, engine={"gpu": "h100", "gpus": 4}))
    assert summary["throughput"]["output_tokens_per_s_per_gpu"] == pytest.approx(24 / 5.13 / 4)
    assert summary["throughput"]["total_tokens_per_s_per_gpu"] == pytest.approx(84 / 5.13 / 4)
    cost = summary["cost"]
    assert (cost["gpu"], cost["gpus"]) == ("h100", 4)
    per_gpu_s = 84 / 5.13 / 4
    assert cost["usd_per_million_total_tokens"] == pytest.approx(cost["usd_per_gpu_hour"] / 3600 / per_gpu_s * 1e6)


@pytest.mark.parametrize("engine", [None, {"gpu": "h100"}, {"gpus": 4}, {"gpu": "abacus", "gpus": 4}])
def test_a_price_is_never_guessed(tmp_path: Path, engine: dict[str, Any] | None) -> None:
    assert summary_of(tmp_path, STEADY_RUN, replace(MANIFEST, engine=engine))["cost"] is None


def test_all_that_is_uncounted_gives_no_rate(tmp_path: Path) -> None:
    silent = [
        replace(
            one, usage=Usage(), counted_by=CountedBy.EVENTS,
            timeline=Timeline(one.timeline.times_ns, [mark(ANSWER, 0)] * 4, counted=False),
        )
        for one in STEADY_RUN[:6]
    ]  # fmt: skip
    summary = summary_of(tmp_path, silent)
    assert summary["tokens"]["uncounted_requests"] == 6
    assert summary["throughput"]["output_tokens_per_s"] is None
    assert summary["itl_ms"]["count"] == 0
    assert summary["event_gap_ms"]["count"] == 18


def test_the_histogram_log_is_of_the_whole_run(tmp_path: Path) -> None:
    summary_of(tmp_path, STEADY_RUN)
    read = read_hlog(tmp_path / "histograms.hlog")
    assert read["itl_us"].total == 18
    assert read["tps_per_user_milli"].value_at(50.0) == 100_031  # the bucket of 100 tokens/s


def test_a_closed_loop_offers_no_rate(tmp_path: Path) -> None:
    unscheduled = [replace(one, ask=replace(one.ask, scheduled_ns=None)) for one in STEADY_RUN]
    meter = summary_of(tmp_path, unscheduled)["meter"]
    assert (meter["offered_rate"], meter["achieved_rate"], meter["valid"]) == (None, None, True)


def test_a_passed_through_request_before_the_first_measured_one_is_counted(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", "serve")
    journal = Journal(run)
    journal.add(Exchange(Ask("m", "/v1/models", 1, 2), Outcome.COMPLETED, 3, status=200))
    journal.add(Exchange(Ask("a", "/v1/chat/completions", 10, 11, dialect="chat"), Outcome.COMPLETED, 12, status=200))
    journal.close()
    requests = summarize(run)["requests"]
    assert (requests["sent"], requests["passed_through"]) == (1, 1)


def test_tags_upstreams_and_keys_are_dimensions(tmp_path: Path) -> None:
    """What one exchange says of itself counts in each of its dimensions, and in all of them as a whole."""
    one = answered(0)
    of_red = replace(one, ask=replace(one.ask, upstream="http://a", client="red", tags={"team": "x", "app": "y"}))
    of_blue = replace(failed(1), ask=replace(failed(1).ask, upstream="http://b", client="blue", tags={"team": "z"}))
    summary = summary_of(tmp_path, [of_red, of_red, of_blue, answered(2)])
    assert {name: set(values) for name, values in summary["by_tag"].items()} == {"team": {"x", "z"}, "app": {"y"}}
    x, z = summary["by_tag"]["team"]["x"], summary["by_tag"]["team"]["z"]
    assert (x["requests"]["completed"], x["tokens"]["output"], x["ttft_ms"]["p50"]) == (2, 8, 100.0)
    assert (z["requests"]["by_error"], z["tokens"]["output"], z["ttft_ms"]["count"]) == ({"http_503": 1}, None, 0)
    assert [part["requests"]["sent"] for part in summary["by_upstream"].values()] == [2, 1]
    assert [part["requests"]["sent"] for part in summary["by_client"].values()] == [1, 2]
    assert summary["requests"]["sent"] == 4


def test_the_journals_of_many_workers_are_one_run(tmp_path: Path) -> None:
    """However the exchanges are split over workers, the summary is the same to the last digit."""
    alone = summary_of(tmp_path / "alone", STEADY_RUN)
    run = RunDirectory.create(tmp_path / "many", "serve")
    journals = [Journal(run, worker) for worker in range(3)]
    for number, exchange in enumerate(STEADY_RUN):
        journals[number % 3].add(exchange)
    journals[0].add_health(HEALTHY)
    for journal in journals:
        journal.close()
    MANIFEST.write(run)
    assert summarize(run) == alone


def test_the_price_is_the_one_that_the_run_was_played_with(tmp_path: Path) -> None:
    settings = {"price": "A/rental", "power_price": 0.05, "pue": 1.2}
    manifest = replace(MANIFEST, engine={"gpu": "h100", "gpus": 4}, settings=settings)
    cost = summary_of(tmp_path, STEADY_RUN, manifest)["cost"]
    assert (cost["usd_per_gpu_hour"], cost["tenure"], cost["price_as_of"]) == (1.30, "rental", "2025-10-09")
    assert cost["electricity"]["usd_per_kwh"] == 0.05
    assert cost["steady"]["usd_per_million_total_tokens"] > 0


def test_a_report_may_reckon_with_another_price(tmp_path: Path) -> None:
    settings = {"price": "A/rental", "power_price": 0.05}
    summary_of(tmp_path, STEADY_RUN, replace(MANIFEST, engine={"gpu": "h100", "gpus": 4}, settings=settings))
    run = RunDirectory.open(tmp_path)
    cost = summarize(run, Terms("5"))["cost"]
    assert (cost["usd_per_gpu_hour"], cost["electricity"]["usd_per_kwh"]) == (5.0, 0.05)
    replace(MANIFEST, engine={"gpu": "gb300", "gpus": 4}).write(run)
    with pytest.raises(UsageError, match="no on_demand quote for gb300"):
        summarize(run, Terms("on_demand"))
