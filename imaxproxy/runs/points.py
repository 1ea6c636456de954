"""Runs as operating points of machines: which belong together, and what to know before they are compared."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imaxproxy.economics import Axis, Frontier, Spot
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.metrics import t_interval
from imaxproxy.runs.axes import AXES
from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.imports import Baseline
from imaxproxy.runs.record import RunRecord

MACHINE = ("model", "gpu", "engine", "precision")
"""What makes a machine unless somebody says otherwise: the engine's description, by these."""
_HASH_CHARACTERS = 12
"""Enough to tell a trace from another."""
_LOAD = ("concurrency", "rate", "session_rate", "speed", "arrivals", "envelope", "endpoint")


@dataclass(frozen=True, slots=True)
class Machines:
    """One frontier a machine, and whatever would make the comparison one of unlike things."""

    x_axis: Axis
    y_axis: Axis
    window: str
    frontiers: dict[str, Frontier]
    simulated: dict[str, bool]
    warnings: list[str] = field(default_factory=list)
    published: dict[str, list[Baseline]] = field(default_factory=dict)
    """Machines that are baselines, with what they were read from."""


def add_baselines(machines: Machines, baselines: Sequence[Baseline]) -> Machines:
    """With the curves of what others measured, each under its tool's name and day."""
    x, y = machines.x_axis.name, machines.y_axis.name
    spots: dict[str, list[Spot]] = defaultdict(list)
    published: dict[str, list[Baseline]] = defaultdict(list)
    warnings = list(machines.warnings)
    for baseline in baselines:
        at_x, at_y = baseline.values.get(x), baseline.values.get(y)
        if at_x is None or at_y is None:
            warnings.append(f"{baseline.source} has no {x if at_x is None else y}: left out")
            continue
        name = f"{baseline.machine} [{baseline.tool}]"
        published[name].append(baseline)
        spots[name].append(Spot(t_interval([at_x]), t_interval([at_y]), baseline.load))
    if not machines.frontiers and not spots:
        raise UsageError(f"no row of the baselines has both {x} and {y}; rates a GPU need gpus=N after the file")
    if spots:
        warnings.append("baselines were measured by others, by their definitions and on their load (docs/metrics.md)")
    return Machines(
        machines.x_axis,
        machines.y_axis,
        machines.window,
        machines.frontiers | {name: Frontier(machines.x_axis, machines.y_axis, found) for name, found in spots.items()},
        machines.simulated | {name: any(each.simulated for each in found) for name, found in published.items()},
        warnings,
        dict(published),
    )


def open_runs(paths: Sequence[Path], tell: Callable[[str], None] = lambda _: None) -> list[RunRecord]:
    """Each a run, or a folder of them (`--repeat`, `search`, a sweep).

    Of a folder's runs those that are half-written or cannot be read are left out: `tell` takes a line about each. A
    run that was named itself has to be whole. Raises UsageError for a folder without any.
    """
    found: list[RunRecord] = []
    for path in paths:
        if RunDirectory(path).journals():
            found.append(RunRecord.open(path))
            continue
        below = sorted(child for child in path.glob("*") if child.is_dir() and RunDirectory(child).journals())
        if not below:
            raise UsageError(f"{path} is no run, and holds none")
        whole = [record for child in below if (record := _opened(child, tell)) is not None]
        if not whole:
            raise UsageError(f"none of the {len(below)} runs in {path} can be read: `imaxproxy report --list {path}`")
        found += whole
    return found


def _opened(path: Path, tell: Callable[[str], None]) -> RunRecord | None:
    try:
        return RunRecord.open(path)
    except ImaxproxyError as error:
        tell(f"left out: {error}")
        return None


def machines_of(records: Sequence[RunRecord], x: str, y: str, by: Sequence[str] = MACHINE) -> Machines:
    """Group runs by machine and by load; runs of one load are repeats, their spread the error bar.

    Figures are of the steady windows where every run has one, else of whole runs. Raises UsageError where no run has
    both metrics.
    """
    x_axis, read_x = AXES[x]
    y_axis, read_y = AXES[y]
    if not records:
        return Machines(x_axis, y_axis, "whole", {}, {})
    window = "steady" if all_steady(records) else "whole"
    values: dict[str, dict[tuple[Any, ...], list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    without: list[str] = []
    for record in records:
        part = record.summary["windows"]["steady"] if window == "steady" else record.summary
        at_x, at_y = read_x(record.summary, part), read_y(record.summary, part)
        if at_x is None or at_y is None:
            without.append(f"{record.directory.path} has no {x if at_x is None else y}: left out")
        else:
            values[machine_of(record, by)][load_of(record)].append((at_x, at_y))
    if not values:
        raise UsageError(f"no run has both {x} and {y} (of the {window} run or window)")
    frontiers = {name: Frontier(x_axis, y_axis, map(_spot, loads.items())) for name, loads in values.items()}
    simulated = dict.fromkeys(frontiers, False)
    for record in records:
        if record.simulated and (name := machine_of(record, by)) in simulated:
            simulated[name] = True
    return Machines(x_axis, y_axis, window, frontiers, simulated, without + unlike(records, (x, y)))


def all_steady(records: Iterable[RunRecord]) -> bool:
    """Every run has a steady window in which something completed: then runs are compared by it, else as wholes."""
    return all((part := record.summary["windows"]["steady"]) and part["requests"]["completed"] for record in records)


def machine_of(record: RunRecord, by: Sequence[str] = MACHINE) -> str:
    """The words that name it; what its engine does not say is left out."""
    engine = record.engine
    words = [str(engine[key]) for key in by if engine.get(key) is not None]
    if "model" in by and not engine.get("model") and record.model:
        words.insert(0, record.model)
    return " ".join(words) or "an engine that does not say what it is"


def unlike(records: Iterable[RunRecord], axes: Sequence[str] = ()) -> list[str]:
    """What differs between runs that should be the same in a comparison; one line each."""
    records = list(records)
    warnings = []
    for what, said in (
        ("models", {record.model for record in records}),
        ("traces", {record.workload and record.workload[:_HASH_CHARACTERS] for record in records}),
        ("endpoints", {record.settings.get("endpoint") for record in records}),
        ("ways of counting tokens", {record.summary["tokens"]["counted_by"] for record in records}),
    ):
        known = sorted(str(value) for value in said if value is not None)  # silence is no difference
        if len(known) > 1:
            warnings.append(f"runs of different {what}: {', '.join(known)}")
        elif what == "traces" and known and None in said:
            warnings.append(f"only some runs played a known trace: {known[0]}")
    if len({record.simulated for record in records}) > 1:
        warnings.append("simulated runs beside measured ones")
    if invalid := [record.directory.path.name for record in records if not record.summary["meter"]["valid"]]:
        warnings.append(f"the meter was not valid in {', '.join(invalid)}")
    if unfinished := [record.directory.path.name for record in records if record.summary["ended"] != "finished"]:
        warnings.append(f"not played to the end: {', '.join(unfinished)}")
    if any(axis.startswith(("usd", "total_per_mw", "output_per_mw")) for axis in axes):
        warnings += _prices(records)
    if any(axis.startswith("j_") or axis.endswith("_measured_mw") for axis in axes):
        warnings += _boundaries(records)
    return warnings


def apart(frontiers: Mapping[str, Frontier]) -> list[str]:
    """Machines whose x do not overlap with the first one's: nothing can be said of them at one x."""
    names = list(frontiers)
    said = []
    for name in names[1:]:
        (low, high), (first_low, first_high) = frontiers[name].reach, frontiers[names[0]].reach
        if low > first_high or high < first_low:
            said.append(
                f"no overlap: {names[0]} was measured from {first_low:,.4g} to {first_high:,.4g}, {name} from "
                f"{low:,.4g} to {high:,.4g} ({frontiers[name].x_axis.name}): play loads that bring them together"
            )
    return said


def _boundaries(records: list[RunRecord]) -> list[str]:
    """Joules of boards are no joules of a whole server."""
    found = {str(energy["boundary"]) for record in records if (energy := record.summary["energy"])}
    return [f"energy of different boundaries: {'; '.join(sorted(found))}"] if len(found) > 1 else []


def _prices(records: list[RunRecord]) -> list[str]:
    """Costs by different tables, tenures or days are no comparison of machines."""
    said = {
        (cost["basis"], cost["tenure"], cost["price_as_of"]) for record in records if (cost := record.summary["cost"])
    }
    if len(said) < 2:
        return []
    listed = "; ".join(sorted(f"{basis}, {tenure}, {as_of or 'undated'}" for basis, tenure, as_of in said))
    return [f"costs by different prices: {listed}; `imaxproxy report RUN --price` reckons anew"]


def load_of(record: RunRecord) -> tuple[Any, ...]:
    """Runs that have the same are repeats of each other."""
    engine = {key: str(value) for key, value in record.engine.items() if key not in ("seed", "board_energy_j", "steps")}
    asked = tuple(record.settings.get(key) for key in _LOAD)
    return (*asked, (record.summary["trace"] or {}).get("sha256"), *sorted(engine.items()))


def _spot(load: tuple[tuple[Any, ...], list[tuple[float, float]]]) -> Spot:
    asked, points = load
    xs, ys = zip(*points, strict=True)
    return Spot(t_interval(xs), t_interval(ys), load_words(asked))


def load_words(load: tuple[Any, ...]) -> str:
    """What people call a load that `load_of` gave: `concurrency 64`."""
    named = [f"{name} {value:g}" for name, value in zip(_LOAD[:2], load, strict=False) if value is not None]
    return ", ".join(named)
