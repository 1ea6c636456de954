"""Several runs against several: what single requests cannot tell, for runs are independent and requests are not."""

import math
from collections.abc import Callable, Sequence
from statistics import fmean, variance
from typing import Any

from imaxproxy.metrics.interval import t_975
from imaxproxy.runs.axes import AXES
from imaxproxy.runs.compare.verdict import Row, judge
from imaxproxy.runs.points import all_steady
from imaxproxy.runs.record import RunRecord

_LATENCIES = tuple(f"{metric}_{percentile}" for metric in ("ttft", "tpot", "e2e") for percentile in ("p50", "p99"))
_RATES = ("output_rate", "total_rate")


def welch_interval(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """mean(b) - mean(a), and its 95 % interval by Welch's t (1947): the two may spread differently.

        d +- t(0.975, f) sqrt(s_a^2 / n_a + s_b^2 / n_b),  f by Welch and Satterthwaite

    Two values of each at least. Without any spread the interval is the difference alone.
    """
    of_a, of_b = variance(a) / len(a), variance(b) / len(b)
    difference, both = fmean(b) - fmean(a), of_a + of_b
    if not both:
        return difference, difference, difference
    freedom = both**2 / (of_a**2 / (len(a) - 1) + of_b**2 / (len(b) - 1))
    half = t_975(max(1, math.floor(freedom))) * math.sqrt(both)
    return difference, difference - half, difference + half


def rows_of(a: Sequence[RunRecord], b: Sequence[RunRecord], threshold: float) -> list[Row]:
    """A row a figure: the ratio of geometric means over the runs, by Welch's t of the logarithms.

    Of the steady windows where every run has one, else of whole runs. Figures that a run lacks have none.
    """
    is_steady = all_steady((*a, *b))
    rows = [_row(name, a, b, threshold, is_steady=is_steady, higher_is_better=False) for name in _LATENCIES]
    rows += [_row(name, a, b, threshold, is_steady=is_steady, higher_is_better=True) for name in _RATES]
    rows.append(_row("j_output", a, b, threshold, is_steady=is_steady, higher_is_better=False))
    rows.append(_failures(a, b))
    return [row for row in rows if row is not None]


def _row(
    name: str,
    a: Sequence[RunRecord],
    b: Sequence[RunRecord],
    threshold: float,
    *,
    is_steady: bool,
    higher_is_better: bool,
) -> Row | None:
    axis, read = AXES[name]
    before, after = (_values(read, side, is_steady=is_steady) for side in (a, b))
    if before is None or after is None:
        return None
    logs = (list(map(math.log, values)) for values in (before, after))
    change, low, high = map(math.expm1, welch_interval(*logs))
    verdict = judge(change, low, high, threshold, higher_is_better=higher_is_better)
    unit = axis.unit.split(",")[0]
    return Row(
        name.replace("_", " "), unit, _mean(before), _mean(after), change, low, high, None, _method(a, b), verdict
    )


def _values(
    read: Callable[[dict[str, Any], dict[str, Any]], float | None], side: Sequence[RunRecord], *, is_steady: bool
) -> list[float] | None:
    found = [
        read(record.summary, record.summary["windows"]["steady"] if is_steady else record.summary) for record in side
    ]
    known = [value for value in found if value]
    return known if len(known) == len(side) else None


def _failures(a: Sequence[RunRecord], b: Sequence[RunRecord]) -> Row | None:
    """The share of failed and cut requests; a point is allowed, as between single runs."""
    shares = []
    for side in (a, b):
        requests = [record.summary["requests"] for record in side]
        if not all(each["sent"] for each in requests):
            return None
        shares.append([(each["failed"] + each["truncated"]) / each["sent"] for each in requests])
    change, low, high = welch_interval(*shares)
    verdict = judge(change, low, high, 0.01)
    return Row(
        "failed or cut", "share", fmean(shares[0]), fmean(shares[1]), change, low, high, None, _method(a, b), verdict
    )


def _method(a: Sequence[RunRecord], b: Sequence[RunRecord]) -> str:
    return f"Welch's t over {len(a)} and {len(b)} runs"


def _mean(values: Sequence[float]) -> float:
    """Geometric, as the ratio is."""
    return math.exp(fmean(map(math.log, values)))
