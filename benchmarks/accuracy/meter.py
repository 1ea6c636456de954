"""A meter on trial: it is let loose on a case's engine, and says what it saw."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmarks.accuracy.cases import BUSY, CASES, Case
from benchmarks.accuracy.engine import TRUTH, running
from benchmarks.accuracy.figures import Figures
from benchmarks.accuracy.truth import read_truth, true_figures
from benchmarks.cpu import cores
from benchmarks.process import Child

LIMIT_S = 120


@dataclass(frozen=True)
class Job:
    """A command with its environment."""

    command: Sequence[object]
    env: dict[str, str] = field(default_factory=dict)
    codes: tuple[int, ...] = (0,)
    """Exit codes of a client that did its work."""


class Meter(Protocol):
    """A load client. Runs alone on one core."""

    name: str

    def version(self) -> str:
        """Raises Unavailable when it cannot be had."""

    def job(self, url: str, case: Case, folder: Path) -> Job:
        """`url` is the engine's, without /v1. What it writes goes to `folder`."""

    def said(self, folder: Path) -> Figures:
        """What it reported."""


@dataclass(frozen=True)
class Trial:
    """One meter on one case."""

    case: Case
    meter: str
    said: Figures
    true: Figures
    cpu_s: float
    """Of all its processes, from its start to its end."""
    wall_s: float

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> "Trial":
        """As `--json` keeps it; what is told of a case is as the table of cases has it now."""
        case, said, true = (kept.pop(key) for key in ("case", "said", "true"))
        now = next((each for each in (*CASES, BUSY) if each.name == case["name"]), None)
        if now is None:
            raise ValueError(f"there is no case {case['name']!r} any more")
        return cls(case=now, said=Figures(**said), true=Figures(**true), **kept)


def tried(meter: Meter, case: Case, folder: Path) -> Trial:
    """Raises Unavailable when it fails."""
    folder.mkdir(parents=True)
    engine_core, own_core, _ = cores()
    with running(case, folder, engine_core) as engine:
        job = meter.job(engine.url, case, folder)
        ended = Child(own_core, job.command, folder / "log", job.env).wait(LIMIT_S, job.codes)
    true = true_figures(read_truth(folder / TRUTH, case.requests), case)
    return Trial(case, meter.name, meter.said(folder), true, ended.cpu_s, ended.wall_s)
