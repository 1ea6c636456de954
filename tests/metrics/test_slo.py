from dataclasses import replace

import pytest

from imaxproxy.clock import NS_PER_MS
from imaxproxy.errors import UsageError
from imaxproxy.metrics import (
    ANSWER,
    Ask,
    CountedBy,
    Exchange,
    Objective,
    Outcome,
    SloTally,
    Timeline,
    mark,
    objectives_of,
)


def exchange(
    ttft_ms: float | None,
    tpot_ms: float = 10,
    outcome: Outcome = Outcome.COMPLETED,
    ended_ms: float = 1000,
    lag_ms: float = 0,
) -> Exchange:
    """Of three tokens, or none."""
    ask = Ask("r", "/", 0, sent_ns=round(lag_ms * NS_PER_MS), scheduled_ns=0, dialect="chat")
    times_ms = [] if ttft_ms is None else [lag_ms + ttft_ms + tpot_ms * number for number in range(3)]
    timeline = Timeline([round(at_ms * NS_PER_MS) for at_ms in times_ms], [mark(ANSWER, 1)] * len(times_ms))
    error = "cancelled" if outcome is Outcome.ABORTED else None
    return Exchange(
        ask, outcome, round(ended_ms * NS_PER_MS), error=error, streamed=True, timeline=timeline,
        counted_by=CountedBy.USAGE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "objectives"),
    [
        ("ttft_ms<500", [Objective("ttft_ms", 500, 99)]),
        ("ttft_ms<500,tpot_ms<50@p90", [Objective("ttft_ms", 500, 90), Objective("tpot_ms", 50, 90)]),
        ("ttft_ms<500@p95, tpot_ms < 50.5 @p99.9", [Objective("ttft_ms", 500, 95), Objective("tpot_ms", 50.5, 99.9)]),
        ("ttft_ms<1@p50,e2e_ms<9", [Objective("ttft_ms", 1, 50), Objective("e2e_ms", 9, 99)]),
        ("tps_per_user>20", [Objective("tps_per_user", 20, 99)]),
    ],
)
def test_objectives_as_text(text: str, objectives: list[Objective]) -> None:
    assert list(objectives_of(text)) == objectives


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cannot read ''"),
        ("ttft_ms<", "cannot read"),
        ("ttft_ms<1.2.3", "1.2.3 is no number"),
        ("ttft<500", "ttft is none of ttfb_ms, ttfe_ms, ttft_ms"),
        ("ttft_ms>500", "ttft_ms has to stay below a limit"),
        ("tps_per_user<5", "tps_per_user has to stay above a limit"),
        ("ttft_ms<5@p100", "p100 is no percentile"),
        ("ttft_ms<5@p0", "p0 is no percentile"),
        ("ttft_ms<5,", "cannot read ''"),
    ],
)
def test_what_is_no_objective_is_said_in_one_line(text: str, why: str) -> None:
    with pytest.raises(UsageError) as complaint:
        objectives_of(text)
    assert why in str(complaint.value)


@pytest.mark.parametrize(
    ("metric", "limit", "one", "verdict"),
    [
        ("ttft_ms", 100, exchange(99), True),
        ("ttft_ms", 100, exchange(100), False),
        ("ttft_ms", 100, exchange(99, outcome=Outcome.FAILED), False),  # a failure meets nothing
        ("ttft_ms", 100, exchange(99, outcome=Outcome.TRUNCATED), False),
        ("ttft_ms", 100, exchange(99, outcome=Outcome.ABORTED), True),  # the user left after a good start
        ("ttft_ms", 100, exchange(None, outcome=Outcome.ABORTED, ended_ms=100), False),  # and after waiting in vain
        ("ttft_ms", 100, exchange(None, outcome=Outcome.ABORTED, ended_ms=99), None),  # who knows
        ("tpot_ms", 100, exchange(None, outcome=Outcome.ABORTED, ended_ms=500), None),
        ("tpot_ms", 15, exchange(50, 10), True),
        ("tpot_ms", 15, exchange(50, 20), False),
        ("tps_per_user", 50, exchange(50, 10), True),
        ("tps_per_user", 50, exchange(50, 20), False),
        ("ttft_from_schedule_ms", 100, exchange(50, lag_ms=60), False),  # sent late: the user waited all the same
        ("ttft_ms", 100, exchange(50, lag_ms=60), True),
    ],
)
def test_a_verdict_on_one_request(metric: str, limit: float, one: Exchange, verdict: bool | None) -> None:
    assert Objective(metric, limit).is_met_by(one) is verdict


def test_attainment_wants_all_objectives_at_once() -> None:
    tally = SloTally(objectives_of("ttft_ms<100,tpot_ms<15@p50"))
    for one in (
        exchange(50),
        exchange(50, 20),
        exchange(150),
        exchange(50),
        exchange(None, outcome=Outcome.FAILED),
        exchange(50, outcome=Outcome.ABORTED),  # good so far, but nobody knows how it would have ended
    ):
        tally.add(one)
    stats = tally.stats(duration_s=4)
    assert (stats["good"], stats["requests"], stats["unjudged"]) == (2, 5, 1)
    assert (stats["attainment"], stats["goodput_per_s"]) == (0.4, 0.5)
    assert [part["objective"] for part in stats["objectives"]] == ["ttft_ms<100@p50", "tpot_ms<15@p50"]
    assert [(part["judged"], part["met"]) for part in stats["objectives"]] == [(6, True), (6, True)]
    assert stats["met"]


def test_what_nobody_counted_meets_no_objective_of_tokens() -> None:
    """Its TTFT is good, its TPOT anybody's guess: as met it would raise attainment and goodput for want of usage."""
    told = exchange(50)
    uncounted = replace(told, timeline=Timeline(told.timeline.times_ns, [mark(ANSWER, 0)] * 3, counted=False))
    for text, good in (("ttft_ms<100,tpot_ms<15", 0), ("ttft_ms<100", 1)):
        tally = SloTally(objectives_of(text))
        tally.add(uncounted)
        stats = tally.stats(1)
        assert (stats["good"], stats["requests"], stats["unjudged"]) == (good, good, 1 - good)


def test_nothing_judged_is_nothing_met() -> None:
    stats = SloTally(objectives_of("ttft_ms<100")).stats(0)
    assert (stats["met"], stats["attainment"], stats["goodput_per_s"]) == (False, None, None)
