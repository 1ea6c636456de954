"""The catalogue of runs: which lie below some folders, what each was of, and whether it is whole. Files and no more."""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.runs.axes import AXES
from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.manifest import KILLED, Manifest
from imaxproxy.runs.record import answered_as, read_summary

FINISHED, RUNNING, NO_SUMMARY, STALE, UNREADABLE = "finished", "running", "no summary", "grew since", "unreadable"
"""States beside the words that a manifest has for an end (`interrupted`, `killed`, ...)."""
_WHOLE = ("finished", "duration")
_ALIVE_S, _SLACK_S = 5.0, 1.0
"""The meter writes a line a second: a run whose files moved within this is still being played."""
_OURS = (b'"imaxproxy.manifest/', b'"imaxproxy.summary/')
_HEAD_BYTES = 1 << 16
_FIGURES = ("total_per_gpu", "output_rate", "interactivity", "ttft_p50", "ttft_p99")


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One run; None for what it does not say."""

    run: str
    state: str
    note: str | None
    """What is wrong with it, and what to do; None for a run that is whole."""
    started_at: str | None = None
    """ISO 8601, UTC."""
    command: str | None = None
    model: str | None = None
    gpu: str | None = None
    gpus: int | None = None
    engine: str | None = None
    recipe: str | None = None
    precision: str | None = None
    simulated: bool = False
    load: str | None = None
    """`concurrency 64`, `rate 2.5`."""
    trace: str | None = None
    tags: tuple[str, ...] = ()
    """What `--tag` said of the run, and NAME=VALUE of each tag that requests bore."""
    requests: int | None = None
    completed: int | None = None
    figures: dict[str, float | None] | None = None
    """Of the whole run, by the names of `imaxproxy frontier --x`."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def find_runs(folders: Iterable[Path]) -> Iterator[Path]:
    """Every run directory below the folders, themselves included; a run within a run is a part of it.

    Links to folders are not followed. Raises UsageError for a folder that is none.
    """
    seen: set[Path] = set()
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder} is no directory: name the folder that your runs are in")
        for at, below, names in os.walk(folder):
            if _is_run(at, names):
                below.clear()
                if (real := Path(at).resolve()) not in seen:
                    seen.add(real)
                    yield Path(at)
            else:
                below.sort()


def catalogue(folders: Sequence[Path], now_s: float | None = None) -> list[CatalogueEntry]:
    """All runs below the folders, the newest first; those without a date last. now_s: the wall clock, Unix."""
    now_s = time.time() if now_s is None else now_s
    entries = [read_entry(path, now_s) for path in find_runs(folders)]
    return sorted(entries, key=lambda entry: (entry.started_at or "", entry.run), reverse=True)


def read_entry(path: Path, now_s: float) -> CatalogueEntry:
    """What a run's manifest and summary say; its journal is not read, however long. Raises nothing of a broken run."""
    run = RunDirectory(path)
    try:
        manifest = Manifest.read(run)
        summary = read_summary(run) if run.summary.exists() else None
        state, note = _state(run, manifest, summary, now_s)
        return _entry(str(path), state, note, manifest, summary)
    except (ImaxproxyError, OSError) as error:
        return CatalogueEntry(str(path), UNREADABLE, " ".join(str(error).split()))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return CatalogueEntry(str(path), UNREADABLE, f"{run.summary} lacks what a summary has: {error!r}")


def _is_run(at: str, names: Sequence[str]) -> bool:
    """It has a journal, or a manifest or summary that is ours: others call files so, too."""
    if any(name.startswith("exchanges-") and name.endswith(".jsonl") for name in names):
        return True
    for name in ("manifest.json", "summary.json"):
        if name in names:
            with open(os.path.join(at, name), "rb") as file:
                if any(schema in file.read(_HEAD_BYTES) for schema in _OURS):
                    return True
    return False


def _state(
    run: RunDirectory, manifest: Manifest | None, summary: dict[str, Any] | None, now_s: float
) -> tuple[str, str | None]:
    ended = summary["ended"] if summary is not None else manifest.ended if manifest is not None else KILLED
    written_s = max((path.stat().st_mtime for path in (*run.journals(), *run.meters())), default=0.0)
    if manifest is not None and manifest.ended == KILLED and now_s - written_s < _ALIVE_S:
        return RUNNING, "being played: its figures are not final"
    remedy = f"`imaxproxy report {run.path}` sums up what its journal holds"
    if summary is None:
        return NO_SUMMARY, f"half-written ({ended}): {remedy}"
    if max((path.stat().st_mtime for path in run.journals()), default=0.0) > run.summary.stat().st_mtime + _SLACK_S:
        return STALE, f"its journal is newer than its summary: {remedy} now"
    if ended in _WHOLE:
        return FINISHED, None
    return ended.replace("_", " "), "not played to its end: its figures are of what was done"


def _entry(
    path: str, state: str, note: str | None, manifest: Manifest | None, summary: dict[str, Any] | None
) -> CatalogueEntry:
    settings = manifest.settings if manifest is not None else {}
    engine = (summary or {}).get("engine") or (manifest.engine if manifest is not None else None) or {}
    trace = (summary or {}).get("trace") or (manifest.trace if manifest is not None else None) or {}
    requests = summary["requests"] if summary is not None else {}
    started_at = manifest.started_at if manifest is not None else (summary or {}).get("started_at")
    return CatalogueEntry(
        run=path,
        state=state,
        note=note,
        started_at=started_at,
        command=manifest.command if manifest is not None else None,
        model=engine.get("model") or settings.get("model") or answered_as(summary or {}),
        gpu=engine.get("gpu"),
        gpus=engine.get("gpus"),
        engine=engine.get("engine"),
        recipe=engine.get("recipe"),
        precision=engine.get("precision"),
        simulated=bool(summary["simulated"] if summary is not None else engine.get("simulated")),
        load=_load(settings),
        trace=trace.get("path"),
        tags=_tags(settings, summary),
        requests=requests.get("sent"),
        completed=requests.get("completed"),
        figures=None if summary is None else {name: AXES[name][1](summary, summary) for name in _FIGURES},
    )


def _load(settings: dict[str, Any]) -> str | None:
    for name in ("concurrency", "rate", "session_rate", "lanes"):
        if settings.get(name) is not None:
            return f"{name.replace('_', ' ')} {settings[name]:g}"
    speed = settings.get("speed")
    return None if speed is None else f"speed {speed:g}"


def _tags(settings: dict[str, Any], summary: dict[str, Any] | None) -> tuple[str, ...]:
    said = list(settings.get("tag") or ())
    for name, values in ((summary or {}).get("by_tag") or {}).items():
        said += [f"{name}={value}" for value in values]
    return tuple(said)
