"""Operating points with all their metrics: what a frontier on any two axes is drawn from."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os.path import commonprefix
from pathlib import PurePath
from typing import Any

from imaxproxy.metrics import Interval, t_interval
from imaxproxy.report.content.energy_stack import EnergyStack, energy_stack, mean_stack
from imaxproxy.report.content.found import FoundRun, by_number
from imaxproxy.report.content.run_facts import names_of
from imaxproxy.runs.axes import AXES
from imaxproxy.runs.imports import Baseline
from imaxproxy.runs.points import MACHINE, all_steady, load_of, load_words, machine_of
from imaxproxy.runs.record import RunRecord

MEASURED, SIMULATED, PUBLISHED = "measured", "simulated", "published"
_SETUP = ("gpus", "tp", "ep", "dp_attention", "draft_tokens", "replicas", "version", "image")
"""What else an engine's points differ in."""
_FACTS = ("model", "gpu", "engine", "precision")


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Runs of one load on one machine under one workload, or one row of somebody else's."""

    machine: str
    """As `imaxproxy frontier` calls it; a baseline's tool stands in it."""
    facts: Mapping[str, str]
    """`model`, `gpu`, `engine`, `precision`, `workload`, as far as they are known."""
    kind: str
    """MEASURED, SIMULATED or PUBLISHED. A published point can be simulated as well, see `simulated`."""
    simulated: bool
    load: str
    values: Mapping[str, Interval]
    """By the names of `AXES`; a metric that one of the repeats lacks is left out."""
    gpu_hours: Mapping[str, Interval]
    """For a million `total`, `output` and `input` tokens, and a thousand `requests`; times any price it is a cost."""
    runs: tuple[int, ...] = ()
    """Places in the list of runs that the points were made from; () for a baseline."""
    energy: EnergyStack | None = None
    source: str | None = None
    """Of a baseline, with `as_of`."""
    as_of: str | None = None
    warnings: tuple[str, ...] = field(default_factory=tuple)
    """Why a repeat of it is not to be believed as it stands."""

    @property
    def repeats(self) -> int:
        return max(len(self.runs), 1)


def points_of(found: Sequence[FoundRun], by: Sequence[str] = MACHINE) -> tuple[list[OperatingPoint], str]:
    """The points, by machine and workload, and the window that their figures are of.

    `steady` where every run has a steady window, else `whole`, as `imaxproxy frontier` has it.
    """
    window = "steady" if found and all_steady([each.record for each in found]) else "whole"
    names = workload_names(found)
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, (each, name) in enumerate(zip(found, names, strict=True)):
        groups[machine_of(each.record, by), name, load_of(each.record)].append(place)
    points = [
        _point(machine, name, load_words(load), places, [found[place].record for place in places], window)
        for (machine, name, load), places in groups.items()
    ]
    order = list(dict.fromkeys((point.machine, point.facts["workload"]) for point in points))
    points = _told_apart(points, [each.record for each in found])
    points.sort(key=lambda point: (order.index((point.machine, point.facts["workload"])), by_number(point.load)))
    return points, window


def _told_apart(points: Sequence[OperatingPoint], records: Sequence[RunRecord]) -> list[OperatingPoint]:
    """Points of one curve that share the words of their load are called by what their engines, else their runs, are."""
    alike: dict[tuple[str, str, str], list[OperatingPoint]] = defaultdict(list)
    for point in points:
        alike[point.machine, point.facts["workload"], point.load].append(point)
    names = names_of([str(record.directory.path) for record in records])
    words: dict[int, str] = {}
    for same in alike.values():
        if len(same) > 1:
            firsts = [point.runs[0] for point in same]
            found = _differences([records[place].engine for place in firsts]) or [names[place] for place in firsts]
            words |= zip(firsts, found, strict=True)
    return [
        replace(point, load=f"{point.load}, {words[point.runs[0]]}") if point.runs[0] in words else point
        for point in points
    ]


def _differences(engines: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """`tp 8, ep 8` for each; None where that does not tell them apart."""
    keys = [key for key in _SETUP if len({str(engine.get(key)) for engine in engines}) > 1]
    said = [", ".join(_setting(key, engine[key]) for key in keys if engine.get(key)) for engine in engines]
    return said if len(set(said)) == len(said) and all(said) else None


def _setting(key: str, value: object) -> str:
    return key.replace("_", " ") if value is True else f"{key.replace('_', ' ')} {value}"


def published_points(baselines: Sequence[Baseline]) -> list[OperatingPoint]:
    """Those that others measured. Metrics that no axis has are left out."""
    return [_published(baseline) for baseline in baselines]


def workload_names(found: Sequence[FoundRun]) -> list[str]:
    """A name for what each run played: its sweep's, else its trace's; different traces never share one.

    Loads of one drawn workload are files of their own, `1k1k-4` and `1k1k-64`: they share what their names begin with.
    """
    called: dict[str, dict[str, None]] = defaultdict(dict)
    keys = [each.record.workload or _trace_name(each.record) for each in found]
    for key, each in zip(keys, found, strict=True):
        if each.workload is None:
            called[key][_trace_name(each.record)] = None
    of_key = {key: _beginning(list(names)) for key, names in called.items()}
    shared = Counter(of_key.values())
    return [
        each.workload or (of_key[key] if shared[of_key[key]] < 2 else f"{of_key[key]} ({key[:7]})")
        for key, each in zip(keys, found, strict=True)
    ]


def _beginning(names: Sequence[str]) -> str:
    """What all of them begin with; the first one where that is nothing."""
    return commonprefix(list(names)).rstrip("-_. ") or names[0]  # noqa: RUF071 (names are no paths)


def _trace_name(record: RunRecord) -> str:
    path = (record.summary["trace"] or {}).get("path")
    if path:
        return PurePath(str(path)).name.split(".")[0]
    return "live traffic" if record.manifest is not None and record.manifest.command == "serve" else "unknown"


def _point(
    machine: str, workload: str, load: str, places: Sequence[int], records: Sequence[RunRecord], window: str
) -> OperatingPoint:
    parts = [record.summary["windows"]["steady"] if window == "steady" else record.summary for record in records]
    values = {}
    for name, (_, read) in AXES.items():
        read_of = [read(record.summary, part) for record, part in zip(records, parts, strict=True)]
        if None not in read_of:
            values[name] = t_interval([value for value in read_of if value is not None])
    stacks = [stack for record in records if (stack := energy_stack(record.summary)) is not None]
    simulated = any(record.simulated for record in records)
    return OperatingPoint(
        machine=machine,
        facts=_facts(records[0], workload),
        kind=SIMULATED if simulated else MEASURED,
        simulated=simulated,
        load=load or ("as it came" if records[0].is_live_traffic else "as the trace has it"),
        values=values,
        gpu_hours=_gpu_hours([part["throughput"] for part in parts], [record.engine.get("gpus") for record in records]),
        runs=tuple(places),
        energy=mean_stack(stacks) if len(stacks) == len(records) else None,
        warnings=_doubts(records),
    )


def _facts(record: RunRecord, workload: str) -> dict[str, str]:
    said = {key: record.engine.get(key) for key in _FACTS}
    said["model"] = record.model
    return {key: str(value) for key, value in said.items() if value is not None} | {"workload": workload}


def _gpu_hours(rates: Sequence[Mapping[str, float | None]], gpus: Sequence[int | None]) -> dict[str, Interval]:
    """GPU-hours for so much work: 1e6 / (3600 x tokens/s a GPU). Left out where a run has no such rate."""
    found: dict[str, list[float | None]] = {"total": [], "output": [], "input": [], "requests": []}
    for rate, count in zip(rates, gpus, strict=True):
        total, output = rate["total_tokens_per_s_per_gpu"], rate["output_tokens_per_s_per_gpu"]
        requests = rate["requests_per_s"]
        found["total"].append(total)
        found["output"].append(output)
        found["input"].append(total - output if total is not None and output is not None else None)
        found["requests"].append(requests / count * 1000 if requests and count else None)
    return {
        name: t_interval([1e6 / 3600 / value for value in values if value])
        for name, values in found.items()
        if values and all(values)
    }


def _doubts(records: Sequence[RunRecord]) -> tuple[str, ...]:
    reasons: Counter[str] = Counter()
    for record in records:
        meter, ended = record.summary["meter"], record.summary["ended"]
        if not meter["valid"]:
            reasons.update(f"meter not valid: {why}" for why in meter["reasons"] or ["no reason was given"])
        if ended not in ("finished", "duration"):
            reasons[f"not played to its end: {ended}"] += 1
        if (faster := record.engine.get("time_scale") or 1) != 1:
            reasons[
                f"the simulated engine's clock ran {faster:g} times as fast: no rate and no time is the engine's"
            ] += 1
    return tuple(
        why if len(records) == 1 else f"{why} ({count} of {len(records)} runs)" for why, count in reasons.items()
    )


def _published(baseline: Baseline) -> OperatingPoint:
    facts = {key: str(baseline.facts[key]) for key in _FACTS if baseline.facts.get(key)}
    if baseline.facts.get("isl") and baseline.facts.get("osl"):
        facts["workload"] = f"{baseline.facts['isl']}/{baseline.facts['osl']}"
    rates = {"total": "total_per_gpu", "output": "output_per_gpu"}
    return OperatingPoint(
        machine=f"{baseline.machine} [{baseline.tool}]",
        facts=facts,
        kind=PUBLISHED,
        simulated=baseline.simulated,
        load=baseline.load,
        values={name: t_interval([value]) for name, value in baseline.values.items() if name in AXES},
        gpu_hours={
            name: t_interval([1e6 / 3600 / rate]) for name, axis in rates.items() if (rate := baseline.values.get(axis))
        },
        source=f"{baseline.tool}, {baseline.source}",
        as_of=baseline.as_of,
    )
