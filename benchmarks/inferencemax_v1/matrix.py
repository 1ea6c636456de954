"""The simulated matrix: an operating point a run, kept as a small file that the page and its tests are made from."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imaxproxy.economics import Frontier, Spot
from imaxproxy.errors import UsageError
from imaxproxy.metrics import t_interval
from imaxproxy.runs import RunRecord
from imaxproxy.runs.axes import AXES

SCHEMA = "imaxproxy.inferencemax-v1/1"
MODELS = {
    "gpt-oss-120b": "gpt-oss-120b",
    "Llama-3.3-70B": "Llama-3.3-70B",
    "DeepSeek-R1": "DeepSeek-R1",
}
"""A part of what engines call it (without regard to case), and what the page does."""
_MADE_WITH = ("model_version", "constants_sha256")


@dataclass(frozen=True, slots=True)
class MatrixPoint:
    """One run, from its first send to its last end, as InferenceX takes its own figures."""

    workload: str
    run: str
    model: str
    gpu: str
    engine: str
    precision: str
    gpus: int
    concurrency: int
    interactivity: float
    """tokens/s/user, 1 / median TPOT."""
    total_per_gpu: float
    """Input and output tokens/s/GPU."""
    output_per_gpu: float
    ttft_p50_ms: float
    e2e_p50_ms: float

    @property
    def machine(self) -> str:
        return f"{self.gpu} {self.engine} {self.precision}"


@dataclass(frozen=True, slots=True)
class Matrix:
    """All points that were played, those that could not be with their reason, and what simulated them."""

    points: tuple[MatrixPoint, ...]
    failed: tuple[tuple[str, str], ...]
    made_with: dict[str, Any]

    @classmethod
    def of_sweep(cls, folder: Path) -> "Matrix":
        """Raises UsageError for a folder without a sweep, or one that has not come to its end."""
        file = folder / "sweep.json"
        if not file.exists():
            raise UsageError(f"{folder} holds no sweep.json: run `imaxproxy sweep inferencemax-v1 --out {folder}`")
        rows = json.loads(file.read_text())["points"]
        if pending := sum(row["state"] == "pending" for row in rows):
            raise UsageError(f"{pending} points of {folder} are not played: give the sweep's command again")
        records = [(row, RunRecord.open(folder / row["run"])) for row in rows if row["state"] == "done"]
        made_with = {name: {record.engine.get(name) for _, record in records} for name in _MADE_WITH}
        if any(len(values) > 1 for values in made_with.values()):
            raise UsageError(f"{folder} was simulated with several versions of the model: sweep anew")
        return cls(
            tuple(_point(row, record) for row, record in records),
            tuple((row["run"], row["reason"]) for row in rows if row["state"] == "failed"),
            {name: next(iter(values)) for name, values in made_with.items()},
        )

    @classmethod
    def read(cls, path: Path) -> "Matrix":
        """What `write` wrote. Raises UsageError for anything else."""
        try:
            kept = json.loads(path.read_text())
            if kept["schema"] != SCHEMA:
                raise UsageError(f"{path}: schema {kept['schema']!r}, not {SCHEMA!r}")
            points = tuple(MatrixPoint(**dict(zip(kept["columns"], row, strict=True))) for row in kept["points"])
            return cls(points, tuple(map(tuple, kept["failed"])), kept["made_with"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} is no matrix ({error}): make it anew with --sweep") from error

    def write(self, path: Path) -> None:
        """A line a point, five digits, so that a change is read as a diff."""
        rows = [[_kept(value) for value in asdict(point).values()] for point in self.points]
        head = {"schema": SCHEMA, "simulated": True, "made_with": self.made_with}
        lines = ",\n".join(json.dumps(row) for row in rows)
        failed = ",\n".join(json.dumps(row) for row in self.failed)
        text = json.dumps(head)[:-1]
        columns = json.dumps(list(MatrixPoint.__dataclass_fields__))
        path.write_text(
            f'{text},\n"columns": {columns},\n"points": [\n{lines}\n],\n"failed": [\n{failed}\n]}}\n', "utf-8"
        )

    def where(self, **facts: str) -> list[MatrixPoint]:
        """Points that have all of these; the matrix's order."""
        return [point for point in self.points if all(getattr(point, name) == value for name, value in facts.items())]

    def machines(self, **facts: str) -> Iterator[tuple[str, list[MatrixPoint]]]:
        """Those points by machine."""
        found: dict[str, list[MatrixPoint]] = {}
        for point in self.where(**facts):
            found.setdefault(point.machine, []).append(point)
        yield from found.items()


def spot_of(point: MatrixPoint, y: Callable[[MatrixPoint], float] = lambda point: point.total_per_gpu) -> Spot:
    label = f"{point.gpus} GPU{'s' if point.gpus > 1 else ''}, concurrency {point.concurrency}"
    return Spot(t_interval([point.interactivity]), t_interval([y(point)]), label)


def frontier_of(points: list[MatrixPoint]) -> Frontier | None:
    """Total tokens/s/GPU against interactivity; None without points."""
    axes = AXES["interactivity"][0], AXES["total_per_gpu"][0]
    return Frontier(*axes, map(spot_of, points)) if points else None


def _point(row: dict[str, Any], record: RunRecord) -> MatrixPoint:
    engine, summary = record.engine, record.summary
    read = {name: AXES[name][1](summary, summary) for name in ("interactivity", "total_per_gpu", "output_per_gpu")}
    if None in read.values():
        raise UsageError(f"{row['run']} has no {next(name for name, value in read.items() if value is None)}")
    return MatrixPoint(
        workload=row["workload"],
        run=Path(row["run"]).name,
        model=_model(str(engine["model"])),
        gpu=str(engine["gpu"]),
        engine=str(engine["engine"]),
        precision=str(engine["precision"]),
        gpus=int(engine["gpus"]),
        concurrency=int(row["concurrency"]),
        ttft_p50_ms=summary["ttft_ms"]["p50"],
        e2e_p50_ms=summary["e2e_ms"]["p50"],
        **{name: float(value) for name, value in read.items() if value is not None},
    )


def _model(named: str) -> str:
    return next(short for part, short in MODELS.items() if part.lower() in named.lower())


def _kept(value: object) -> object:
    return float(f"{value:.5g}") if isinstance(value, float) else value
