from typing import Any

import pytest

from imaxproxy.conduct.search.verdict import reached, verdict_of
from imaxproxy.metrics import wilson


@pytest.mark.parametrize(
    ("good", "judged", "met", "sure"),
    [
        (400, 400, True, True),
        (100, 100, True, False),
        (98, 100, False, False),
        (80, 100, False, True),
        (0, 0, False, False),
    ],
)
def test_a_verdict_is_sure_where_its_interval_lies_on_one_side(good: int, judged: int, met: bool, sure: bool) -> None:
    """Of p99: 100 of 100 may still be 97 of 100."""
    verdict = verdict_of(summary_of(good, judged, met=met), "rate", 5)
    assert (verdict.met, verdict.sure) == (met, sure)


def summary_of(
    good: int,
    judged: int,
    *,
    met: bool,
    growth: float | None = 0.0,
    settled: bool | None = True,
    rate: float | None = 5,
    e2e_ms: float | None = 900,
) -> dict[str, Any]:
    low, high = wilson(good, judged) if judged else (None, None)
    share = good / judged if judged else None
    part: dict[str, Any] = {"share": share, "share_low": low, "share_high": high, "needed_share": 0.99}
    return {
        "requests": {"sent": judged},
        "e2e_ms": {"p90": e2e_ms},
        "slo": {"met": met, "objectives": [part], "attainment": part["share"]},
        "meter": {"valid": True, "offered_rate": rate},
        "window_method": {"settled": settled, "backlog_growth_share": growth},
    }


def test_an_open_loop_whose_queue_only_grew_has_missed() -> None:
    """However good its latencies were until it ended; a closed loop waits for the engine and cannot overrun it."""
    grown = verdict_of(summary_of(400, 400, met=True, growth=0.2), "rate", 5)
    assert (grown.met, grown.overrun, grown.sure) == (False, True, False)
    assert verdict_of(summary_of(400, 400, met=True, growth=0.2, rate=None), "concurrency", 5).met
    assert verdict_of(summary_of(400, 400, met=True, growth=None), "rate", 5).met
    assert "20% of what was sent stayed behind" in reached(summary_of(400, 400, met=True, growth=0.2), grown)


def test_what_never_settled_is_not_sure() -> None:
    assert not verdict_of(summary_of(400, 400, met=True, settled=False), "rate", 5).sure
    assert verdict_of(summary_of(400, 400, met=True, settled=None), "rate", 5).sure


@pytest.mark.parametrize(
    ("by", "asked", "sent", "rate", "e2e_ms", "too_little"),
    [
        ("rate", 5.0, 400, 5.0, 900.0, None),
        ("rate", 5.0, 400, 4.4, 900.0, None),  # by chance
        ("rate", 64.0, 294, 40.8, 900.0, "it came to 40.8 requests/s: turns of its sessions wait"),
        ("rate", 64.0, 1, None, 900.0, "1 requests have no rate"),
        ("rate", 4096.0, 294, 4096.0, 5600.0, "its 294 requests were sent within 72 ms, while p90 of E2E was 5,600"),
        ("rate", 4096.0, 294, 4096.0, None, None),  # nothing completed: the SLO says what that is
        ("concurrency", 64.0, 128, None, 900.0, None),
        ("concurrency", 64.0, 127, None, 900.0, "127 requests keep no 64 in flight"),
    ],
)
def test_a_load_that_was_not_there_is_not_met(
    by: str, asked: float, sent: int, rate: float | None, e2e_ms: float | None, too_little: str | None
) -> None:
    """294 requests sent at once are no 4,096 a second, however good their first tokens."""
    summary = summary_of(sent, sent, met=True, rate=rate, e2e_ms=e2e_ms)
    verdict = verdict_of(summary, by, asked)
    if too_little is None:
        assert verdict.too_little is None
    else:
        assert verdict.too_little is not None
        assert too_little in verdict.too_little
        assert "not tried" in reached(summary, verdict)
