"""Everything that a report says, as data: pages and pictures are drawn from it, and nothing else is read for them."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from imaxproxy.economics import Terms
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.report.content.detail import Detail, read_details
from imaxproxy.report.content.distribution import distributions_of
from imaxproxy.report.content.found import Found, LeftOut, find_runs
from imaxproxy.report.content.operating_point import OperatingPoint, points_of, published_points
from imaxproxy.report.content.prices import Prices, prices_for
from imaxproxy.report.content.run_facts import RunFacts, names_of, run_facts
from imaxproxy.runs.compare import compare_all, compare_repeats
from imaxproxy.runs.imports import Baseline
from imaxproxy.runs.points import MACHINE
from imaxproxy.runs.record import RunRecord

DETAILS = 8
"""Runs whose journals are read for timeline and waterfall, unless somebody says otherwise."""
_DETAIL_BYTES = 400 << 20
"""Of journals that are read for details: some 5 s of two cores."""
_COMPARED = 6
"""In a report of more runs than that nobody asked for comparisons."""
_COMPARED_REQUESTS = 400_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is wanted of, besides its runs."""

    baselines: Sequence[Baseline] = ()
    terms: Terms | None = None
    """What a GPU-hour costs; None: as the runs were played."""
    by: Sequence[str] = MACHINE
    details: int = DETAILS
    threshold: float = 0.05
    """Of comparisons: a change that matters."""


@dataclass(slots=True)
class Report:
    """All that was found out. Places of runs (`OperatingPoint.runs`, the keys below) are indexes of `runs`."""

    points: list[OperatingPoint]
    window: str
    """What the points' figures are of: `steady` windows, or the `whole` runs."""
    runs: list[RunFacts]
    distributions: dict[int, dict[str, list[float]]]
    details: dict[int, Detail]
    windows: list[dict[str, tuple[float, float]]]
    """Of each run: warm-up, steady and drain, in seconds from the first send; those that it has."""
    comparisons: list[dict[str, Any]]
    """`imaxproxy.compare/1` objects."""
    prices: Prices
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the report does not hold, and why."""

    @property
    def title(self) -> str:
        """What the points have in common: `gpt-oss-120b on b200 and h200`; else what they are."""
        models, gpus = ({point.facts.get(name): None for point in self.points} for name in ("model", "gpu"))
        known = [list(filter(None, found)) for found in (models, gpus)]
        words = [", ".join(name.rpartition("/")[2] for name in found) for found in known if 0 < len(found) <= 3]
        return " on ".join(words) if words else f"{len(self.points)} operating points"


def gather(paths: Sequence[Path], asked: Asked | None = None, tell: Callable[[str], None] = lambda _: None) -> Report:
    """Read summaries and histograms of all runs, journals of a few. tell: takes a line about what takes long.

    Raises UsageError where nothing is left to report of, or a price that was asked for is none of a GPU's.
    """
    asked = asked or Asked()
    if not paths and not asked.baselines:
        raise UsageError("give RUN directories, --baseline FILE, or both")
    found = find_runs(paths, tell) if paths else Found()
    records = [each.record for each in found.runs]
    points, window = points_of(found.runs, asked.by)
    points += published_points(asked.baselines)
    names = names_of([str(record.directory.path) for record in records])
    report = Report(
        points=points,
        window=window,
        runs=[run_facts(record, name) for record, name in zip(records, names, strict=True)],
        distributions={},
        details={},
        windows=[_windows(record) for record in records],
        comparisons=[],
        prices=_prices(points, records, asked.terms),
        left_out=found.left_out,
    )
    _note_prices(report, records)
    _add_distributions(report, records)
    _add_details(report, records, asked.details, tell)
    _add_comparisons(report, records, paths, asked.threshold, tell)
    return report


def _windows(record: RunRecord) -> dict[str, tuple[float, float]]:
    parts = record.summary["windows"].items()
    return {name: (part["start_s"], part["end_s"]) for name, part in parts if part is not None}


def _prices(points: Sequence[OperatingPoint], records: Sequence[RunRecord], terms: Terms | None) -> Prices:
    """By the terms asked for; what they leave open is as the first run has it."""
    settings = records[0].settings if records else {}
    gpus = [gpu for point in points if (gpu := point.facts.get("gpu"))]
    return prices_for(gpus, Terms.of(settings) if terms is None else terms.or_else(settings))


def _note_prices(report: Report, records: Sequence[RunRecord]) -> None:
    """One list of prices holds for all points; that some runs were reckoned with another one is said."""
    costs = [cost for record in records if (cost := record.summary["cost"])]
    kinds: dict[str, set[float]] = defaultdict(set)
    for cost in costs:
        kinds[cost["gpu"]].add(cost["usd_per_gpu_hour"])
    taken = {gpu.gpu.lower(): gpu.usd_per_gpu_hour for gpu in report.prices.gpus}
    other = [kind for kind, prices in kinds.items() if prices != {taken.get(kind)}]
    if other:
        report.notes.append(
            f"Runs on {', '.join(other)} were reckoned with other prices than this report's: here all have the same, "
            "theirs stand in their summaries"
        )


def _add_distributions(report: Report, records: Sequence[RunRecord]) -> None:
    for place, record in enumerate(records):
        try:
            if found := distributions_of(record.directory):
                report.distributions[place] = found
            else:
                report.left_out.append(LeftOut(str(record.directory.path), "has no latency distributions"))
        except ImaxproxyError as error:
            report.left_out.append(LeftOut(str(record.directory.histograms), str(error)))


def _add_details(report: Report, records: Sequence[RunRecord], most: int, tell: Callable[[str], None]) -> None:
    chosen = _chosen(report.points, records, most)
    size_bytes = sum(_journal_bytes(records[place]) for place in chosen)
    if size_bytes > 50 << 20:
        tell(f"reading the requests of {len(chosen)} runs, {size_bytes / 1e6:,.0f} MB of journals")
    for place, detail in zip(chosen, read_details([records[each].directory.path for each in chosen]), strict=True):
        if isinstance(detail, Detail):
            report.details[place] = detail
        else:
            report.left_out.append(LeftOut(report.runs[place].path, f"no timeline: {detail}"))
    if len(chosen) < len(records):
        report.notes.append(
            f"Timelines and request waterfalls are of {len(chosen)} of {len(records)} runs, chosen over all machines: "
            f"name fewer runs, or say --details {len(records)} for more"
        )


def _chosen(points: Sequence[OperatingPoint], records: Sequence[RunRecord], most: int) -> list[int]:
    """One run a point, from machine to machine, a middle load first, until there are enough or they grow too large."""
    by_machine: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for point in points:
        if point.runs:
            by_machine[point.machine, point.facts.get("workload")].append(point.runs[0])
    spread = [_middle_first(each) for each in by_machine.values()]
    turn = [place for row in zip_longest(*spread) for place in row if place is not None]
    rest = [place for place in chain.from_iterable(point.runs for point in points) if place not in set(turn)]
    chosen: list[int] = []
    left_bytes = _DETAIL_BYTES
    for place in (*turn, *rest):
        size_bytes = _journal_bytes(records[place])
        if len(chosen) < most and (size_bytes <= left_bytes or not chosen):
            chosen.append(place)
            left_bytes -= size_bytes
    return sorted(chosen)


def _middle_first(places: list[int]) -> list[int]:
    middle = len(places) // 2
    return [places[middle], *places[:middle], *places[middle + 1 :]]


def _journal_bytes(record: RunRecord) -> int:
    return sum(path.stat().st_size for path in record.directory.journals())


def _add_comparisons(
    report: Report, records: Sequence[RunRecord], paths: Sequence[Path], threshold: float, tell: Callable[[str], None]
) -> None:
    """Of two folders of repeats, or of a few runs that played one trace."""
    sides = [[record for record in records if path in _folders(record)] for path in paths]
    if len(paths) == 2 and all(len(side) > 1 for side in sides) and len(report.points) <= 2:
        report.comparisons = [compare_repeats(sides[0], sides[1], threshold)]
        return
    alike = [record for record in records if record.workload and record.workload == records[0].workload]
    if not 2 <= len(alike) <= _COMPARED or len(records) > _COMPARED:
        return
    requests = sum(record.summary["requests"]["sent"] for record in alike)
    if requests > _COMPARED_REQUESTS:
        report.notes.append(f"{requests:,} requests are too many to compare in a report: `imaxproxy compare` does it")
        return
    tell(f"comparing {len(alike)} runs of one trace")
    try:
        report.comparisons = compare_all(alike, threshold)
    except ImaxproxyError as error:
        report.notes.append(f"Runs were not compared request by request: {error}")


def _folders(record: RunRecord) -> tuple[Path, ...]:
    return record.directory.path, *record.directory.path.parents
