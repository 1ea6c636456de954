"""A report as the compact JSON that its page reads. Figures have five digits that count, times a microsecond."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from imaxproxy import __version__
from imaxproxy.metrics import Interval
from imaxproxy.report.content import DRAWN, PERCENTILES, Bar, Detail, OperatingPoint, Report, RunTimeline
from imaxproxy.report.page.axis_names import axis_name
from imaxproxy.report.table import LATENCIES
from imaxproxy.runs.axes import AXES

SCHEMA = "imaxproxy.report/1"
DIMENSIONS = ("model", "workload", "gpu", "engine", "precision")
_DIGITS = 5
_KEPT = {"evenly": "e", "slowest": "s", "failed": "f"}


def payload_of(report: Report, title: str, command: str | None) -> dict[str, Any]:
    """`imaxproxy.report/1`. command: how the page was made; it stands at its end."""
    return {
        "schema": SCHEMA,
        "title": title,
        "command": command,
        "version": __version__,
        "made_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "window": report.window,
        "axes": _axes(),
        "dimensions": DIMENSIONS,
        "workloads": len({point.facts.get("workload") for point in report.points}),
        "points": [_point(point) for point in report.points],
        "runs": [_rounded(asdict(run)) for run in report.runs],
        "metrics": DRAWN,
        "titles": dict(LATENCIES),
        "percentiles": PERCENTILES,
        "distributions": _rounded(report.distributions),
        "windows": _rounded(report.windows),
        "details": {str(place): _detail(detail) for place, detail in report.details.items()},
        "comparisons": report.comparisons,
        "prices": asdict(report.prices),
        "left_out": [asdict(each) for each in report.left_out],
        "notes": report.notes,
    }


def _axes() -> list[dict[str, Any]]:
    return [
        {"name": name, **axis_name(name)._asdict(), "higher": axis.higher_is_better, "inverse": axis.is_inverse}
        for name, (axis, _) in AXES.items()
    ]


def _point(point: OperatingPoint) -> dict[str, Any]:
    return {
        "machine": point.machine,
        "facts": dict(point.facts),
        "kind": point.kind,
        "simulated": point.simulated,
        "load": point.load,
        "repeats": point.repeats,
        "values": [_interval(point.values.get(name)) for name in AXES],
        "gpu_hours": {name: _interval(value) for name, value in point.gpu_hours.items()},
        "runs": point.runs,
        "energy": None if point.energy is None else _rounded(asdict(point.energy)),
        "source": point.source,
        "as_of": point.as_of,
        "warnings": point.warnings,
    }


def _interval(value: Interval | None) -> float | list[float | None] | None:
    """One number of a run that was played once, else [mean, low, high]."""
    if value is None:
        return None
    if value.low is None:
        return _number(value.mean)
    return [_number(value.mean), _number(value.low), _number(value.high)]


def _detail(detail: Detail) -> dict[str, Any]:
    return {
        "timeline": _timeline(detail.timeline),
        "waterfall": {"of": detail.waterfall.of, "rows": [_bar(bar) for bar in detail.waterfall.bars]},
    }


def _timeline(timeline: RunTimeline) -> dict[str, Any]:
    return {name: _rounded(value, digits=4) for name, value in asdict(timeline).items()} | {
        "step_s": timeline.step_s,
        "duration_s": timeline.duration_s,
    }


def _bar(bar: Bar) -> list[Any]:
    """In the order that the page's script knows."""
    times = (bar.scheduled_ms, bar.sent_ms, bar.first_token_ms, bar.first_answer_ms, bar.ended_ms)
    return [
        bar.request_id,
        "".join(_KEPT[why] for why in bar.kept_for),
        *(None if time is None else round(time, 1) for time in times),
        bar.outcome,
        bar.ending,
        bar.finish_reason,
        bar.input_tokens,
        bar.cached_tokens,
        bar.output_tokens,
        _number(bar.tps_per_user),
        bar.where,
    ]


def _rounded(value: Any, digits: int = _DIGITS) -> Any:  # noqa: ANN401 (as JSON has it)
    """The same with floats rounded, however deep they lie; keys become text."""
    if isinstance(value, float):
        return _number(value, digits)
    if isinstance(value, Mapping):
        return {str(key): _rounded(each, digits) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_rounded(each, digits) for each in value]
    return value


def _number(value: float | None, digits: int = _DIGITS) -> float | int | None:
    if value is None or not isinstance(value, float):
        return value
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
