from dataclasses import replace
from typing import Any

import pytest

from imaxproxy.clock import NS_PER_MS
from imaxproxy.metrics import (
    ANSWER,
    METRICS,
    Ask,
    CountedBy,
    Exchange,
    Flag,
    Outcome,
    Tally,
    Timeline,
    Usage,
    mark,
    per_second,
)


def exchange(
    outcome: Outcome = Outcome.COMPLETED,
    error: str | None = None,
    events_ms: tuple[int, ...] = (110, 130, 150),
    usage: Usage = Usage(10, 3, 0, 4),  # noqa: B008 (frozen)
    counted_by: CountedBy = CountedBy.USAGE,
    **more: Any,  # noqa: ANN401
) -> Exchange:
    counted = counted_by is not CountedBy.EVENTS
    marks = [mark(ANSWER, int(counted)) for _ in events_ms]
    timeline = Timeline([at_ms * NS_PER_MS for at_ms in events_ms], marks, counted=counted)
    dialect = more.pop("dialect", "chat")
    ask = Ask("r", "/v1/x", 0, sent_ns=100 * NS_PER_MS, scheduled_ns=99 * NS_PER_MS, dialect=dialect)
    return Exchange(
        ask, outcome, 160 * NS_PER_MS, error=error, streamed=True, usage=usage, counted_by=counted_by,
        timeline=timeline, **more,
    )  # fmt: skip


CUT = exchange(Outcome.TRUNCATED, "cut", (110, 140), Usage(), CountedBy.EVENTS, coalesced_events=1)
REFUSED = exchange(Outcome.FAILED, "http_429", (), Usage(), CountedBy.EVENTS)
LEFT = exchange(Outcome.ABORTED, "client_left", (120,), Usage(10, 1), CountedBy.CONTINUOUS_USAGE)
PASSED = exchange(dialect=None)


def tally_of(*exchanges: Exchange) -> Tally:
    tally = Tally()
    for one in exchanges:
        tally.add(one)
    return tally


def test_every_exchange_has_one_outcome_and_failures_stay_in_view() -> None:
    requests = tally_of(exchange(), exchange(), CUT, REFUSED, REFUSED, LEFT, PASSED).requests()
    assert requests == {
        "sent": 6, "completed": 2, "failed": 2, "aborted": 1, "truncated": 1,
        "by_error": {"client_left": 1, "cut": 1, "http_429": 2}, "retried": 0, "resent": 0,
        "passed_through": 1, "client_retries": 0,
        "by_ending": {"complete": 2, "error_answer": 2, "cut": 1, "client_left": 1}, "by_flag": {},
    }  # fmt: skip
    assert sum(requests[outcome.value] for outcome in Outcome) == requests["sent"]
    assert sum(requests["by_ending"].values()) == requests["sent"]


def test_what_was_odd_is_counted_beside_the_outcomes() -> None:
    odd = replace(exchange(), flags=(Flag.NO_DONE, Flag.BAD_EVENT))
    tally = tally_of(odd, odd)
    tally.merge(tally_of(exchange()))
    requests = tally.requests()
    assert (requests["by_flag"], requests["by_error"]) == ({"bad_event": 2, "no_done": 2}, {})
    assert requests["by_ending"] == {"complete": 1, "no_terminator": 2}


def test_tokens_are_the_sum_of_what_is_known() -> None:
    assert tally_of(exchange(), CUT, LEFT).tokens() == {
        "input": 20, "output": 4, "reasoning": 0, "cached": 4, "counted_by": "events", "uncounted_requests": 1,
    }  # fmt: skip
    assert tally_of(exchange(), LEFT).tokens()["counted_by"] == "usage"  # the least exact in use
    assert tally_of(LEFT).tokens()["counted_by"] == "continuous_usage"
    assert tally_of(REFUSED).tokens() == {
        "input": None, "output": None, "reasoning": None, "cached": None, "counted_by": None, "uncounted_requests": 0,
    }  # fmt: skip


def test_an_answer_without_usage_is_uncounted_even_when_it_was_not_streamed() -> None:
    silent = exchange(events_ms=(), usage=Usage(), counted_by=CountedBy.EVENTS)
    assert tally_of(silent).tokens()["uncounted_requests"] == 1


def test_latencies_of_all_that_arrived() -> None:
    stats = tally_of(exchange(), CUT, REFUSED, LEFT).stats()
    counts = {name: stats[name]["count"] for name in METRICS}
    assert counts == {
        "ttfb_ms": 0, "ttfe_ms": 0,
        "ttft_ms": 3, "ttft_from_schedule_ms": 3, "ttfo_ms": 3, "itl_ms": 2, "event_gap_ms": 3, "tpot_ms": 1,
        "e2e_ms": 1, "e2e_from_schedule_ms": 1, "tps_per_user": 1, "e2e_tps_per_user": 1, "send_lag_ms": 4,
    }  # fmt: skip
    assert stats["ttft_ms"]["mean"] == pytest.approx((10 + 10 + 20) / 3)
    assert stats["itl_ms"]["max"] == 20.0  # the cut stream's 30 ms gap is of tokens that nobody counted
    assert stats["event_gap_ms"]["max"] == 30.0
    assert stats["tps_per_user"]["max"] == 50.0
    assert stats["e2e_tps_per_user"]["max"] == 60.0
    assert stats["send_lag_ms"]["p50"] == 1.0


def test_what_is_only_passed_through_stands_in_no_metric() -> None:
    tally = tally_of(PASSED)
    assert tally.sent == 0
    assert {stats["count"] for stats in tally.stats().values()} == {0}


def test_coalesced_events_are_a_share_of_all() -> None:
    assert tally_of(exchange(), CUT).coalesced_event_share() == 1 / 5
    assert Tally().coalesced_event_share() is None


def test_what_went_to_an_engine_twice_is_counted() -> None:
    again = replace(exchange(), ask=replace(exchange().ask, retried="stale_connection"))
    assert tally_of(again, exchange()).requests()["resent"] == 1


def test_simulated_exchanges_are_counted_passed_through_or_not() -> None:
    assert tally_of(exchange(simulated=True), exchange(simulated=True, dialect=None), exchange()).simulated == 2


def test_merges_to_what_one_would_have_counted() -> None:
    parts = [exchange(), CUT], [REFUSED, PASSED], [LEFT, exchange(simulated=True)]
    merged = Tally()
    for part in parts:
        merged.merge(tally_of(*part))
    whole = tally_of(*(one for part in parts for one in part))
    for found, expected in ((merged.requests(), whole.requests()), (merged.tokens(), whole.tokens())):
        assert found == expected
    assert merged.stats() == whole.stats()
    assert (merged.simulated, merged.passed_through) == (1, 1)
    assert merged.coalesced_event_share() == whole.coalesced_event_share()


def test_a_rate_needs_an_amount_and_a_time() -> None:
    assert per_second(10, 4.0) == 2.5
    assert per_second(0, 4.0) == 0.0
    assert per_second(None, 4.0) is None
    assert per_second(10, 0.0) is None
