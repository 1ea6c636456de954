from typing import Any

import pytest

from imaxproxy.conduct.search.verdict import reached, verdict_of


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
    verdict = verdict_of(summary_of(good, judged, met=met))
    assert (verdict.met, verdict.sure) == (met, sure)


def summary_of(
    good: int,
    judged: int,
    *,
    met: bool,
    growth: float | None = 0.0,
    settled: bool | None = True,
    rate: float | None = 5,
) -> dict[str, Any]:
    part: dict[str, Any] = {"share": good / judged if judged else None, "needed_share": 0.99, "judged": judged}
    return {
        "slo": {"met": met, "objectives": [part], "attainment": part["share"]},
        "meter": {"valid": True, "offered_rate": rate},
        "window_method": {"settled": settled, "backlog_growth_share": growth},
    }


def test_an_open_loop_whose_queue_only_grew_has_missed() -> None:
    """However good its latencies were until it ended; a closed loop waits for the engine and cannot overrun it."""
    grown = verdict_of(summary_of(400, 400, met=True, growth=0.2))
    assert (grown.met, grown.overrun, grown.sure) == (False, True, False)
    assert verdict_of(summary_of(400, 400, met=True, growth=0.2, rate=None)).met
    assert verdict_of(summary_of(400, 400, met=True, growth=None)).met
    assert "20% of what was sent stayed behind" in reached(summary_of(400, 400, met=True, growth=0.2), grown)


def test_what_never_settled_is_not_sure() -> None:
    assert not verdict_of(summary_of(400, 400, met=True, settled=False)).sure
    assert verdict_of(summary_of(400, 400, met=True, settled=None)).sure
