"""From a change and how sure it is to a word: worse, better, the same, or not to be told."""

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """Of one metric against the threshold."""

    REGRESSION = "regression"
    """Worse by more than the threshold, and surely worse."""
    IMPROVEMENT = "improvement"
    SAME = "same"
    """Surely within the threshold, either way."""
    UNDECIDED = "undecided"
    """The interval reaches beyond the threshold and over no change: play longer, or more often."""


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of both runs."""

    metric: str
    unit: str
    a: float | None
    b: float | None
    change: float | None
    """b / a - 1; for shares b - a."""
    low: float | None
    """Of the change, 95 %; None where the method has no interval."""
    high: float | None
    p_value: float | None
    method: str
    verdict: Verdict | None
    """None: not judged, or not comparable."""

    def as_dict(self) -> dict[str, Any]:
        """JSON has no infinity: an interval without an end is null there."""
        row = asdict(self)
        for name in ("low", "high"):
            if row[name] is not None and not math.isfinite(row[name]):
                row[name] = None
        return row


def judge(
    change: float, low: float | None, high: float | None, threshold: float, *, higher_is_better: bool = False
) -> Verdict:
    """A verdict on a change with its interval; without one the change alone has to pass the threshold."""
    worse = -change if higher_is_better else change
    if low is None or high is None:
        if abs(worse) <= threshold:
            return Verdict.SAME
        return Verdict.REGRESSION if worse > 0 else Verdict.IMPROVEMENT
    least, most = (-high, -low) if higher_is_better else (low, high)
    if worse > threshold and least > 0:
        return Verdict.REGRESSION
    if worse < -threshold and most < 0:
        return Verdict.IMPROVEMENT
    if least >= -threshold and most <= threshold:
        return Verdict.SAME
    return Verdict.UNDECIDED


def overall(rows: list[Row]) -> Verdict:
    """The worst word of all."""
    said = {row.verdict for row in rows if row.verdict is not None}
    for verdict in (Verdict.REGRESSION, Verdict.UNDECIDED, Verdict.IMPROVEMENT):
        if verdict in said:
            return verdict
    return Verdict.SAME if said else Verdict.UNDECIDED
