"""`histograms.hlog`: one line a metric in HdrHistogram's log format 1.3, read by HistogramLogProcessor and its kin.

Values are us for times (tag `ttft_us`), 1/1000 tokens/s for rates (tag `tps_per_user_milli`); `Interval_Max` is the
largest value / 1e6: seconds for times.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from imaxproxy.metrics import Histogram

_RATIO = 1e6


def tag_of(metric: str) -> str:
    """The metric's name with the unit that its histogram counts in."""
    return metric.removesuffix("_ms") + "_us" if metric.endswith("_ms") else f"{metric}_milli"


def write_hlog(path: Path, histograms: Mapping[str, Histogram], started_unix_s: float, duration_s: float) -> None:
    """Write all that have values, as one interval that is the run."""
    started = datetime.fromtimestamp(started_unix_s, UTC).isoformat(timespec="milliseconds")
    lines = [
        "#[Histogram log format version 1.3]",
        f"#[StartTime: {started_unix_s:.3f} (seconds since epoch), {started}]",
        "#[BaseTime: 0.000 (seconds since epoch)]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    for metric, histogram in histograms.items():
        if histogram.total:
            largest = (histogram.maximum or 0) / _RATIO
            interval = f"{started_unix_s:.3f},{duration_s:.3f},{largest:.6f},{histogram.encode()}"
            lines.append(f"Tag={tag_of(metric)},{interval}")
    path.write_text("\n".join(lines) + "\n")


def read_hlog(path: Path) -> dict[str, Histogram]:
    """Histograms by tag; intervals of one tag are merged."""
    merged: dict[str, Histogram] = {}
    for line in path.read_text().splitlines():
        if not line or line[0] in '#"':
            continue
        tag, _, interval = line.partition(",") if line.startswith("Tag=") else ("Tag=", ",", line)
        histogram = Histogram.decode(interval.split(",")[3])
        merged.setdefault(tag.removeprefix("Tag="), Histogram()).merge(histogram)
    return merged
