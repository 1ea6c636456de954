import math

import pytest

from imaxproxy.runs.compare.verdict import Row, Verdict, judge, overall


@pytest.mark.parametrize(
    ("change", "low", "high", "verdict"),
    [
        (0.10, 0.06, 0.14, Verdict.REGRESSION),
        (0.10, 0.01, 0.20, Verdict.REGRESSION),  # surely worse, and by more than what matters as far as anyone can tell
        (0.10, -0.01, 0.21, Verdict.UNDECIDED),  # may be nothing
        (0.04, 0.03, 0.05, Verdict.SAME),  # surely worse, and too little to matter
        (0.04, 0.01, 0.07, Verdict.UNDECIDED),  # may matter
        (-0.10, -0.15, -0.05, Verdict.IMPROVEMENT),
        (-0.10, -0.25, 0.05, Verdict.UNDECIDED),
        (0.0, -0.05, 0.05, Verdict.SAME),
        (0.0, -math.inf, math.inf, Verdict.UNDECIDED),
        (0.06, None, None, Verdict.REGRESSION),
        (-0.06, None, None, Verdict.IMPROVEMENT),
        (0.05, None, None, Verdict.SAME),
    ],
)
def test_a_change_with_its_interval_against_5_percent(
    change: float, low: float | None, high: float | None, verdict: Verdict
) -> None:
    assert judge(change, low, high, 0.05) is verdict
    mirrored = judge(
        -change, None if high is None else -high, None if low is None else -low, 0.05, higher_is_better=True
    )
    assert mirrored is verdict


def row(verdict: Verdict | None) -> Row:
    return Row("m", "ms", 1.0, 1.0, 0.0, -math.inf, 0.0, None, "", verdict)


def test_the_worst_word_wins() -> None:
    assert overall([row(Verdict.SAME), row(Verdict.IMPROVEMENT), row(Verdict.REGRESSION)]) is Verdict.REGRESSION
    assert overall([row(Verdict.IMPROVEMENT), row(Verdict.UNDECIDED)]) is Verdict.UNDECIDED
    assert overall([row(Verdict.IMPROVEMENT), row(Verdict.SAME)]) is Verdict.IMPROVEMENT
    assert overall([row(Verdict.SAME), row(None)]) is Verdict.SAME
    assert overall([]) is Verdict.UNDECIDED


def test_json_has_no_infinity() -> None:
    found = row(None).as_dict()
    assert (found["low"], found["high"]) == (None, 0.0)
