"""Which pictures a report is worth: frontiers, distributions, timelines, waterfalls, energy, each of like things."""

import re
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from typing import Any

from imaxproxy.report.charts.chart import Chart
from imaxproxy.report.charts.distribution import Tail, draw_distribution
from imaxproxy.report.charts.energy import draw_energy
from imaxproxy.report.charts.frontier import draw_frontier, metric_title, series_of
from imaxproxy.report.charts.style import shared_words, told_apart
from imaxproxy.report.charts.timeline import draw_timeline
from imaxproxy.report.charts.waterfall import draw_waterfall
from imaxproxy.report.content import DRAWN, PUBLISHED, OperatingPoint, Report
from imaxproxy.runs.axes import AXES

AXIS_PAIRS: tuple[tuple[str, str], ...] = (
    ("interactivity", "total_per_gpu"),
    ("interactivity", "output_per_gpu"),
    ("e2e_interactivity", "total_per_gpu"),
    ("ttft_p99", "total_per_gpu"),
    ("e2e_p50", "total_per_gpu"),
    ("interactivity", "usd_total"),
    ("interactivity", "usd_output"),
    ("interactivity", "total_per_mw"),
    ("interactivity", "j_output"),
)
"""Drawn unless others are asked for: (x, y) by the names of `imaxproxy frontier`."""
_LINES, _BARS = 8, 24
"""In one picture, at most: more cannot be told apart."""
_CURVES = "curves: Steffen's monotone cubic through the points that no other of their machine beats; pale: beaten"

Group = tuple[str, str]
"""A workload and a model: only such points lie in one picture."""


def charts_of(report: Report, pairs: Sequence[tuple[str, str]] = AXIS_PAIRS) -> Iterator[Chart]:
    """All of them, the frontiers first. What a report has no data for is left out."""
    groups = _groups(report.points)
    for group, points in groups.items():
        for x, y in pairs:
            if (chart := _frontier(report, group, points, x, y)) is not None:
                yield chart
    for group, points in groups.items():
        yield from _distributions(report, group, points)
        if (chart := _energy(group, points)) is not None:
            yield chart
    for place in report.details:
        yield from _details(report, place)


def _groups(points: Sequence[OperatingPoint]) -> dict[Group, list[OperatingPoint]]:
    """What others published is drawn beside each: which of it belongs there, who named the file has said."""
    groups: dict[Group, list[OperatingPoint]] = defaultdict(list)
    published = [point for point in points if point.kind == PUBLISHED]
    for point in points:
        if point.kind != PUBLISHED:
            groups[point.facts.get("workload", ""), point.facts.get("model", "")].append(point)
    if not groups and published:
        groups["", ""] = []
    return {group: [*found, *published] for group, found in groups.items()}


def _frontier(report: Report, group: Group, points: Sequence[OperatingPoint], x: str, y: str) -> Chart | None:
    """None where fewer than two points have both metrics."""
    series = series_of(points, x, y)
    if sum(len(one.spots) for one in series) < 2:
        return None
    drawn = [point for point in points if x in point.values and y in point.values]
    window = "steady windows" if report.window == "steady" else "whole runs"
    notes = [f"{window}; {_CURVES}"]
    if any(point.repeats > 1 for point in drawn):
        notes.append("bars: 95 % of the mean over repeats, Student's t")
    if doubtful := sum(bool(point.warnings) for point in drawn):
        notes.append(f"{doubtful} of {len(drawn)} points are not to be believed as they stand: see the report's table")
    if sources := sorted({f"{point.source}, {point.as_of or 'undated'}" for point in drawn if point.source}):
        notes.append(f"measured by others, by their definitions: {'; '.join(sources[:2])}")
    if y.startswith("usd"):
        notes.append(_priced(report))
    name = "-".join(("frontier", *(slug(part) for part in group if part), slug(x), slug(y)))
    title = f"{_title(y)} against {_title(x)}"
    return Chart(
        name=name,
        title=title[:1].upper() + title[1:],
        draw=lambda figure: draw_frontier(figure, series, x, y),
        simulated=any(one.simulated for one in series),
        subtitle=_subtitle(group, points),
        notes=tuple(notes),
    )


def _distributions(report: Report, group: Group, points: Sequence[OperatingPoint]) -> Iterator[Chart]:
    """A picture a metric; of many runs those whose requests were read, which lie over all machines."""
    of_group = [place for point in points for place in point.runs if place in report.distributions]
    chosen = _few(of_group, report.details)
    for metric, called in DRAWN.items():
        tails = [
            Tail(report.runs[place].name, report.runs[place].simulated, report.distributions[place][metric])
            for place in chosen
            if metric in report.distributions[place]
        ]
        if not tails:
            continue
        notes = ["whole runs; a line ends at its maximum, where the next percentile would rest on one value"]
        if len(chosen) < len(of_group):
            notes.append(f"{len(chosen)} of {len(of_group)} runs are drawn, chosen over all machines")
        yield Chart(
            name="-".join(("distribution", *(slug(part) for part in group if part), slug(metric))),
            title=f"{called} by percentile",
            draw=lambda figure, tails=tails, called=called: draw_distribution(figure, tails, called),  # type: ignore[misc]
            simulated=any(tail.simulated for tail in tails),
            subtitle=_subtitle(group, points),
            notes=tuple(notes),
            size_in=(10.0, 5.0),
        )


def _few(places: Sequence[int], first: Container[int]) -> list[int]:
    """As many as one picture holds: those of `first`, and of the rest evenly."""
    if len(places) <= _LINES:
        return list(places)
    kept = [place for place in places if place in first][:_LINES]
    rest = [place for place in places if place not in kept]
    room = _LINES - len(kept)
    return sorted(kept + [rest[number * len(rest) // room] for number in range(room)])


def _energy(group: Group, points: Sequence[OperatingPoint]) -> Chart | None:
    found = [point for point in points if point.energy is not None]
    if not found:
        return None
    short = told_apart([point.machine for point in found])
    several = len(short) > 1
    bars = [
        (f"{short[point.machine]}, {point.load}" if several else point.load, point.simulated, point.energy)
        for point in found[:_BARS]
        if point.energy is not None
    ]
    boundary = sorted({bar[2].boundary for bar in bars})
    notes = [f"boundary: {', '.join(boundary)}; prefill told from decode by {_told_by(bars)}"]
    if len(found) > _BARS:
        notes.append(f"the first {_BARS} of {len(found)} points")
    if invalid := sum(not bar[2].valid for bar in bars):
        notes.append(f"{invalid} of them have energy that is not valid")
    if any(simulated for _, simulated, _ in bars):
        notes.append("hatched: simulated")
    return Chart(
        name="-".join(("energy", *(slug(part) for part in group if part))),
        title="Energy of an output token, by what it went into",
        draw=lambda figure: draw_energy(figure, bars),
        simulated=any(simulated for _, simulated, _ in bars),
        subtitle=_subtitle(group, points),
        notes=tuple(notes),
    )


def _told_by(bars: Sequence[tuple[str, bool, Any]]) -> str:
    return " or ".join(sorted({stack.prefill_by for _, _, stack in bars}))


def _details(report: Report, place: int) -> Iterator[Chart]:
    """Timeline and waterfall of one run."""
    facts, detail, windows = report.runs[place], report.details[place], report.windows[place]
    said = " ".join(str(facts.engine[key]) for key in ("model", "gpu", "engine", "precision") if facts.engine.get(key))
    timeline, waterfall = detail.timeline, detail.waterfall
    why = f"no watts: {timeline.why_no_power}" if timeline.power_w is None and timeline.why_no_power else ""
    yield Chart(
        name=f"timeline-{slug(facts.name)}",
        title=f"{facts.name} over time",
        draw=lambda figure: draw_timeline(figure, timeline, windows),
        simulated=facts.simulated,
        subtitle=said,
        notes=(f"steps of {timeline.step_s:g} s" + (f"; {why}" if why else ""), *facts.warnings[:2]),
        size_in=(10.0, 6.4),
    )
    if waterfall.bars:
        shown = len(waterfall.bars)
        yield Chart(
            name=f"waterfall-{slug(facts.name)}",
            title=f"{facts.name}, request by request",
            draw=lambda figure: draw_waterfall(figure, waterfall),
            simulated=facts.simulated,
            subtitle=said,
            notes=(
                "all requests"
                if shown == waterfall.of
                else f"{shown} of {waterfall.of:,} requests: evenly over the run, the longest, those that failed",
            ),
            size_in=(10.0, 6.4),
        )


def _subtitle(group: Group, points: Sequence[OperatingPoint]) -> str:
    ours = [point.machine for point in points if point.kind != PUBLISHED]
    workload, model = group
    return ", ".join(dict.fromkeys(part for part in (shared_words(ours) or model, workload) if part))


def _title(name: str) -> str:
    return "interactivity, tokens/s/user" if name == "interactivity" else metric_title(AXES[name][0])


def _priced(report: Report) -> str:
    said = [
        f"{gpu.gpu} {gpu.usd_per_gpu_hour:g} USD/h ({gpu.taken})"
        for gpu in report.prices.gpus
        if gpu.usd_per_gpu_hour is not None
    ]
    return "as each run was priced; now: " + ", ".join(said) if said else "as each run was priced"


def slug(text: str) -> str:
    """Of a file's name."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "x"
