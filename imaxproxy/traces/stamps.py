"""When the requests of a trace came: span, rate, burstiness, ticks, and whether the unit can be right."""

import math
from array import array
from itertools import pairwise
from typing import Any

from imaxproxy.traces.formats import TIME_UNITS_MS
from imaxproxy.traces.row import TraceRow

_MANY_TIES = 0.2
_MAX_SPAN_S = 30 * 86_400
_MIN_SPAN_S = 1
_RATES_PER_S = (1e-4, 1e4)
"""From a request in three hours to ten thousand a second: what a published trace may show."""
_ROWS_TO_GUESS = 10
_UNIX_S = (978_307_200, 4_102_444_800)
"""From 2001 to 2100: what a unix time of a trace may be."""
UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_BINS = 60


class Stamps:
    """Gaps between the stamps of neighbouring rows, in time order whatever the file's order.

    A row that only repeats the stamp of the row before in its session (TraceLab's CSV) has none of its own.
    """

    def __init__(self) -> None:
        self._stamps_ms = array("d")
        self._of_session_ms: dict[str, float] = {}

    def add(self, row: TraceRow) -> None:
        if row.timestamp_ms is None:
            return
        if row.session_id is not None:
            before_ms = self._of_session_ms.get(row.session_id)
            self._of_session_ms[row.session_id] = row.timestamp_ms
            if before_ms == row.timestamp_ms:
                return
        self._stamps_ms.append(row.timestamp_ms)

    def described(self) -> dict[str, Any]:
        """CV is the standard deviation over the mean of all gaps: 1 for a Poisson process, 0 for a metronome.

        tick_ms is the median distance of neighbouring stamps that differ; given only where over 20 % are ties.
        arrivals: requests in each of 60 equal parts of the span.
        """
        ordered = sorted(self._stamps_ms)
        gaps_ms = [after - before for before, after in pairwise(ordered)]
        if not gaps_ms or not sum(gaps_ms):
            return dict.fromkeys(("span_s", "rate_per_s", "gap_cv", "tied_share", "tick_ms", "arrivals"))
        mean_ms = sum(gaps_ms) / len(gaps_ms)
        variance = sum((gap_ms - mean_ms) ** 2 for gap_ms in gaps_ms) / len(gaps_ms)
        tied_share = gaps_ms.count(0.0) / len(gaps_ms)
        steps_ms = sorted(gap_ms for gap_ms in gaps_ms if gap_ms)
        return {
            "span_s": (ordered[-1] - ordered[0]) / 1000,
            "rate_per_s": 1000 / mean_ms,
            "gap_cv": math.sqrt(variance) / mean_ms,
            "tied_share": tied_share,
            "tick_ms": steps_ms[len(steps_ms) // 2] if tied_share > _MANY_TIES else None,
            "arrivals": _counted(ordered),
        }


def unit_looks_wrong(span_s: float) -> bool:
    return not _MIN_SPAN_S <= span_s <= _MAX_SPAN_S


def likely_unit(span_s: float, requests: int, unit: str) -> str | None:
    """The one other unit under which span and rate are those of a trace; None when there is none, or several.

    span_s: as read with `unit`.  Reading: a trace lasts from a second to a month.
    """
    if requests < _ROWS_TO_GUESS or not span_s:
        return None
    fits = []
    for other, unit_ms in TIME_UNITS_MS.items():
        other_s = span_s * unit_ms / TIME_UNITS_MS[unit]
        if other != unit and not unit_looks_wrong(other_s) and _RATES_PER_S[0] <= requests / other_s <= _RATES_PER_S[1]:
            fits.append(other)
    return fits[0] if len(fits) == 1 else None


def unix_unit(stamp: float) -> str | None:
    """The unit in which this number is a unix time of this century; None where it is none."""
    for unit, unit_ms in TIME_UNITS_MS.items():
        if _UNIX_S[0] <= stamp * unit_ms / 1000 < _UNIX_S[1]:
            return unit
    return None


def unit_note(span_s: float, requests: int, unit: str) -> str | None:
    """What is odd about a span of stamps, and the unit that would mend it; None where nothing is."""
    if not unit_looks_wrong(span_s):
        return None
    note = f"the stamps span {span_s:g} s: are they {UNIT_NAMES[unit]}?"
    likely = likely_unit(span_s, requests, unit)
    if likely is None:
        return note
    return f"{note} Read as {UNIT_NAMES[likely]} the trace would look like one: pass --time-unit {likely}"


def _counted(ordered_ms: list[float]) -> list[int]:
    counts = [0] * _BINS
    first_ms, span_ms = ordered_ms[0], ordered_ms[-1] - ordered_ms[0]
    for at_ms in ordered_ms:
        counts[min(_BINS - 1, int((at_ms - first_ms) / span_ms * _BINS))] += 1
    return counts
