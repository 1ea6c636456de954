"""The points of a sweep: what is played, and by which `imaxproxy replay`."""

from dataclasses import dataclass
from pathlib import Path

CONCURRENCY, RATE = "concurrency", "rate"
VIRTUAL, SIMULATE, REAL, URL = "virtual", "simulate", "real", "url"
_LETTER = {CONCURRENCY: "c", RATE: "r"}


@dataclass(frozen=True, slots=True)
class Variant:
    """One engine: a recipe as it stands, or with one combination of the changes that the spec lists."""

    name: str
    """The recipe's name in the spec, and what was set: `b200-tp2`."""
    recipe: str
    """Its name in the spec."""
    mode: str
    argv: tuple[str, ...]
    """The flags of `replay` that choose it."""
    file: tuple[Path, str] | None = None
    """The recipe's file, below the sweep's folder, and its text; None for a recipe as it stands."""


@dataclass(frozen=True, slots=True)
class Point:
    """One run."""

    variant: Variant
    workload: str
    by: str
    """CONCURRENCY or RATE."""
    amount: float
    repeat: int
    """From 1."""
    run: Path
    """Its run directory."""
    argv: tuple[str, ...]
    """Of `imaxproxy replay`."""
    work: float
    """How long it takes beside others of its mode, roughly: for the time that is left."""
    file: tuple[Path, str] | None = None
    """The trace's spec, made for this load, and its text; None where the trace is the user's."""

    @property
    def load(self) -> str:
        """For people: `concurrency 64`."""
        return f"{self.by} {self.amount:g}"


@dataclass(frozen=True, slots=True)
class Curve:
    """One engine under one workload, its loads rising; repeats of a load stand together."""

    variant: Variant
    workload: str
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        return f"{self.workload} {self.variant.name}"

    def loads(self) -> list[list[Point]]:
        """The repeats of each load."""
        by_load: dict[float, list[Point]] = {}
        for point in self.points:
            by_load.setdefault(point.amount, []).append(point)
        return list(by_load.values())


def run_name(variant: str, by: str, amount: float, repeat: int, repeats: int) -> str:
    """The run's folder: `b200-tp2-c64`, with `.r2` where there are repeats."""
    return f"{variant}-{_LETTER[by]}{amount}" + (f".r{repeat}" if repeats > 1 else "")
