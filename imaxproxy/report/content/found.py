"""The runs that a report is about: looked for below what was named, each read or left out with its reason."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.runs import RunDirectory, RunRecord, summarize

SWEEP_SCHEMA = "imaxproxy.sweep-record/1"
_DEPTH = 3
"""Folders below the one that is named: a sweep's runs lie two below it."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was named or found and is not in the report."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run, and what its sweep called the workload."""

    record: RunRecord
    workload: str | None = None


@dataclass(slots=True)
class Found:
    """All that was found."""

    runs: list[FoundRun] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def find_runs(paths: Sequence[Path], tell: Callable[[str], None] = lambda _: None) -> Found:
    """Each path is a run, a folder of runs, or a sweep. A run that was never summed up is summed up now.

    Runs that cannot be read are left out with their reason, and so are the points that a sweep did not finish. tell:
    takes a line about what takes long.  Raises UsageError for a path that is no folder, and where no run is left.
    """
    found = Found()
    seen: set[Path] = set()
    for path in paths:
        if not path.is_dir():
            raise UsageError(f"{path} is no directory: give run directories, folders of them, or sweeps")
        workloads = _read_sweep(path, found)
        directories = [run for run in _below(path, _DEPTH) if run.path.resolve() not in seen]
        if not directories and not seen:
            raise UsageError(f"{path} is no run, and holds none")
        for run in directories:
            seen.add(run.path.resolve())
            _take(run, workloads.get(run.path.resolve()), found, tell)
    if not found.runs:
        first = found.left_out[0] if found.left_out else None
        raise UsageError(f"no run can be read; {first.path}: {first.why}" if first else "no run was found")
    return found


def _below(path: Path, depth: int) -> Iterator[RunDirectory]:
    """The path itself where it is a run, else all runs below it, by name."""
    run = RunDirectory(path)
    if run.journals():
        yield run
    elif depth:
        children = [each for each in path.iterdir() if each.is_dir() and not each.name.startswith(".")]
        for child in sorted(children, key=lambda each: by_number(each.name)):
            yield from _below(child, depth - 1)


def by_number(text: str) -> list[tuple[float, str]]:
    """A key that sorts c4 before c16."""
    return [(float(part), "") if part.isdecimal() else (-1.0, part) for part in re.split(r"(\d+)", text)]


def _take(run: RunDirectory, workload: str | None, found: Found, tell: Callable[[str], None]) -> None:
    try:
        if not run.summary.exists():
            tell(f"{run.path} has no summary.json: summing it up")
            summarize(run)
        found.runs.append(FoundRun(RunRecord.open(run.path), workload))
    except (ImaxproxyError, OSError) as error:
        found.left_out.append(LeftOut(str(run.path), str(error)))


def _read_sweep(path: Path, found: Found) -> dict[Path, str]:
    """Which workload each run of a sweep played. Its points that are not done are left out, and named."""
    file = path / "sweep.json"
    if not file.exists():
        return {}
    try:
        sweep = dict(orjson.loads(file.read_bytes()))
        if sweep.get("schema") != SWEEP_SCHEMA:
            found.left_out.append(LeftOut(str(file), f"schema {sweep.get('schema')!r}, not {SWEEP_SCHEMA!r}"))
            return {}
        points: list[dict[str, Any]] = sweep["points"]
        for point in points:
            if point["state"] != "done" and not (path / point["run"]).is_dir():
                why = f"{point['state']}: {point['reason']}" if point["reason"] else str(point["state"])
                found.left_out.append(LeftOut(str(path / point["run"]), why))
        return {(path / point["run"]).resolve(): str(point["workload"]) for point in points}
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        found.left_out.append(LeftOut(str(file), f"is no sweep's record ({error}): workloads have no name"))
        return {}
