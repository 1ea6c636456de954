"""Latency distributions as HDR percentile plots draw them: values at percentiles whose tails are evenly spread."""

from pathlib import Path

from imaxproxy.errors import ImaxproxyError
from imaxproxy.metrics import Histogram
from imaxproxy.runs import RunDirectory, read_hlog
from imaxproxy.runs.hlog import tag_of

DRAWN: dict[str, str] = {
    "ttft_ms": "TTFT",
    "ttft_from_schedule_ms": "TTFT from schedule",
    "itl_ms": "ITL",
    "event_gap_ms": "event gap",
    "tpot_ms": "TPOT",
    "e2e_ms": "E2E",
    "e2e_from_schedule_ms": "E2E from schedule",
    "send_lag_ms": "send lag",
}
"""Metrics in the order of their importance, and what people call them. All are in ms."""

PERCENTILES: tuple[float, ...] = (
    *(0, 1, 5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 96.25, 97.5, 98, 98.5, 99, 99.25, 99.5, 99.75),
    *(99.8, 99.9, 99.95, 99.975, 99.99, 99.995, 99.999, 99.9999),
)
"""Five a halving of what is left would be HdrHistogram's; these are rounder, and as dense."""


def distributions_of(run: RunDirectory) -> dict[str, list[float]]:
    """The values in ms at PERCENTILES, by metric, of the whole run, warm-up and drain included.

    A list ends where a single value of the run would decide: 1,000 requests have no p99.99. The last one is the
    maximum then. Metrics without values are left out, and all are where the run has no histograms.hlog.
    Raises ImaxproxyError for a file that is none.
    """
    return _read(run.histograms) if run.histograms.exists() else {}


def _read(path: Path) -> dict[str, list[float]]:
    try:
        histograms = read_hlog(path)
    except (OSError, ValueError, IndexError) as error:
        again = f"`imaxproxy report {path.parent}` makes it anew"
        raise ImaxproxyError(f"{path} is no histogram log ({error}); {again}") from error
    tags = {tag_of(metric): metric for metric in DRAWN}
    found = {tags[tag]: values_of(each) for tag, each in histograms.items() if tag in tags and each.total}
    return {metric: found[metric] for metric in DRAWN if metric in found}


def values_of(histogram: Histogram) -> list[float]:
    """In ms, at as many of PERCENTILES as the count of values holds; then the maximum."""
    count, most = histogram.total, histogram.maximum or 0
    reached = [percentile for percentile in PERCENTILES if (100 - percentile) * count >= 100]
    values = [min(value or 0, most) for value in histogram.values_at(reached)]
    return [value / Histogram.UNIT for value in (*values, most)]
