"""Measured points, held against the model: a CSV with the columns of InferenceX's, one predicted row for each."""

import csv
import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from pathlib import Path
from statistics import fmean, median
from typing import Any

from imaxproxy.economics import load_gpu
from imaxproxy.errors import UsageError
from imaxproxy.sim.architecture import load_architecture
from imaxproxy.sim.constants import batch_wait_steps, calibrated_range, vintage_of
from imaxproxy.sim.deployment import Deployment
from imaxproxy.sim.speculation import NO_SPECULATION, by_length
from imaxproxy.sim.steady import steady_state
from imaxproxy.sim.step import StepModel

MEAN_SHARE = 0.9
"""InferenceX draws lengths evenly from 80 to 100 % of the nominal ones."""
COLUMNS = (
    "model",
    "gpu",
    "precision",
    "engine",
    "gpus",
    "ep",
    "dp_attention",
    "concurrency",
    "isl",
    "osl",
    "ttft_ms",
    "tpot_ms",
    "measured",
)
"""What a file must have. It may also have `draft_tokens` and `acceptance_length`, for speculative decoding."""
_HELD_OUT_EVERY = 5
_OPTIONAL = ("ep", "dp_attention", "ttft_ms", "tpot_ms", "measured")
_ALIASES = {
    "engine": {"trt": "trtllm", "trt-llm": "trtllm", "tensorrt-llm": "trtllm", "dynamo-trt": "trtllm"},
    "precision": {"mxfp4": "fp4", "nvfp4": "fp4", "bfloat16": "bf16"},
    "gpu": {},
}
"""What other tables call the same thing; of a GPU the words after its first ("GB200 NVL72") are left out."""


@dataclass(frozen=True, slots=True)
class Point:
    """One row: a deployment, a load, and what was measured (None where the file does not say)."""

    line: int
    model: str
    gpu: str
    precision: str
    engine: str
    gpus: int
    ep: int
    dp_attention: bool
    concurrency: int
    isl: int
    osl: int
    ttft_ms: float | None
    tpot_ms: float | None
    measured: date | None
    draft_tokens: int = 0
    acceptance_length: float = 1.0
    other: dict[str, str] = field(default_factory=dict)
    """Columns that the model does not look at."""

    @property
    def is_held_out(self) -> bool:
        """Whether its curve was kept out of the fit: every fifth, by SHA-256 of what tells curves apart."""
        names = (self.model, self.gpu, self.precision, self.engine)
        curve = ",".join(map(str, (*names, self.gpus, self.ep, int(self.dp_attention), self.isl, self.osl)))
        return int(hashlib.sha256(curve.encode()).hexdigest(), 16) % _HELD_OUT_EVERY == 0

    @property
    def total_tokens_per_s_per_gpu(self) -> float | None:
        """What the measured latencies mean at this concurrency: C * (isl + osl) / E2E / gpus, lengths at their mean."""
        if self.ttft_ms is None or self.tpot_ms is None:
            return None
        output_tokens = self.osl * MEAN_SHARE
        e2e_s = (self.ttft_ms + self.tpot_ms * (output_tokens - 1)) / 1000
        return self.concurrency * (self.isl * MEAN_SHARE + output_tokens) / e2e_s / self.gpus


@dataclass(frozen=True, slots=True)
class PredictedPoint:
    """A row with its prediction. `refused` says why there is none."""

    point: Point
    tpot_ms: float | None = None
    ttft_ms: float | None = None
    total_tokens_per_s_per_gpu: float | None = None
    in_calibrated_range: bool = False
    refused: str | None = None

    def errors(self) -> dict[str, float | None]:
        """Predicted over measured, less one, for each quantity."""
        point = self.point
        return {
            "tpot": _error(self.tpot_ms, point.tpot_ms),
            "ttft": _error(self.ttft_ms, point.ttft_ms),
            "throughput": _error(self.total_tokens_per_s_per_gpu, point.total_tokens_per_s_per_gpu),
        }

    def as_dict(self) -> dict[str, Any]:
        """The row's own columns, the prediction, the errors."""
        row = {name: value for name, value in asdict(self.point).items() if name not in ("line", "other")}
        row = {**self.point.other, **row}
        row["measured"] = self.point.measured.isoformat() if self.point.measured else None
        row["dp_attention"] = int(self.point.dp_attention)
        return {
            **row,
            "measured_total_tokens_per_s_per_gpu": self.point.total_tokens_per_s_per_gpu,
            "predicted_tpot_ms": self.tpot_ms,
            "predicted_ttft_ms": self.ttft_ms,
            "predicted_total_tokens_per_s_per_gpu": self.total_tokens_per_s_per_gpu,
            **{f"{name}_error": error for name, error in self.errors().items()},
            "in_calibrated_range": self.in_calibrated_range,
            "held_out": self.point.is_held_out,
            "refused": self.refused,
        }


def read_points(path: Path) -> list[Point]:
    """All rows; lines that begin with # are comments. Raises UsageError naming line and column."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: a file of points is UTF-8 text: {error.reason}") from error
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    rows = csv.DictReader(line for _, line in numbered)
    missing = [name for name in COLUMNS if name not in (*(rows.fieldnames or ()), *_OPTIONAL)]
    if missing:
        raise UsageError(f"{path}: no column {', '.join(missing)}; a file of points has {', '.join(COLUMNS)}")
    return [_Reader(path, number, row).point() for (number, _), row in zip(numbered[1:], rows, strict=False)]


def predict_point(point: Point) -> PredictedPoint:
    """Predict one row, as InferenceX measures: lengths of 80 to 100 %, a closed loop, the software of that day."""
    try:
        deployment = _deployment(point)
        lengths = point.isl * MEAN_SHARE, point.osl * MEAN_SHARE
        steady = steady_state(StepModel(deployment), point.concurrency, *lengths)
    except UsageError as error:
        return PredictedPoint(point, refused=str(error))
    return PredictedPoint(
        point,
        steady.tpot_s * 1000,
        steady.ttft_s * 1000,
        steady.total_tokens_per_s / point.gpus,
        deployment.in_calibrated_range() and _load_in_range(point),
    )


def errors_by_group(predicted: Sequence[PredictedPoint]) -> dict[str, dict[str, Any]]:
    """Errors of all rows, of those kept out of the fit, of those in it; by model, GPU, precision and engine."""
    groups: dict[str, list[PredictedPoint]] = {"all": [], "held out": [], "fitted": []}
    for one in predicted:
        point = one.point
        name = f"{point.model} {point.gpu} {point.precision} {point.engine}"
        for group in ("all", "held out" if point.is_held_out else "fitted", name):
            groups.setdefault(group, []).append(one)
    return {name: _summary(members) for name, members in groups.items() if members}


def _summary(members: Iterable[PredictedPoint]) -> dict[str, Any]:
    rows = [one.errors() for one in members]
    summary: dict[str, Any] = {"rows": len(rows)}
    for name in ("tpot", "throughput", "ttft"):
        errors = [error for row in rows if (error := row[name]) is not None]
        absolute = sorted(map(abs, errors))
        summary[name] = {
            "count": len(errors),
            "median": median(absolute) if errors else None,
            "mean": fmean(absolute) if errors else None,
            "p90": absolute[math.ceil(0.9 * len(absolute)) - 1] if errors else None,
            "bias": fmean(errors) if errors else None,
        }
    return summary


def _deployment(point: Point) -> Deployment:
    speculation = NO_SPECULATION
    if point.draft_tokens:
        speculation = by_length(point.draft_tokens, point.acceptance_length)
    shape = load_architecture(point.model)
    return Deployment(
        architecture=shape,
        gpu=load_gpu(point.gpu),
        engine=point.engine,
        precision=point.precision,
        tp=point.gpus,
        ep=point.ep,
        dp_attention=point.dp_attention,
        vintage=vintage_of(point.measured) if point.measured else 1.0,
        speculation=speculation,
        batch_wait_steps=batch_wait_steps(point.engine, shape.name, point.gpus, point.isl, point.osl),
    )


def _load_in_range(point: Point) -> bool:
    seen = calibrated_range()
    return point.concurrency <= seen.max_streams and point.isl + point.osl <= seen.max_context_tokens


def _error(predicted: float | None, measured: float | None) -> float | None:
    return predicted / measured - 1 if predicted is not None and measured else None


_FIELD_NAMES = {one.name for one in fields(Point)}


class _Reader:
    """Checks one row."""

    def __init__(self, path: Path, line: int, row: dict[str, str | None]) -> None:
        self._at = f"{path}:{line}"
        self._line = line
        self._row = row

    def point(self) -> Point:
        return Point(
            line=self._line,
            model=self._text("model").lower(),
            gpu=self._name("gpu"),
            precision=self._name("precision"),
            engine=self._name("engine"),
            gpus=self._count("gpus"),
            ep=self._count("ep") if self._row.get("ep") else 1,
            concurrency=self._count("concurrency"),
            isl=self._count("isl"),
            osl=self._count("osl", least=2),
            dp_attention=bool(self._row.get("dp_attention")) and self._flag("dp_attention"),
            ttft_ms=self._number("ttft_ms"),
            tpot_ms=self._number("tpot_ms"),
            measured=self._date("measured"),
            draft_tokens=self._count("draft_tokens", least=0) if self._row.get("draft_tokens") else 0,
            acceptance_length=self._number("acceptance_length") or 1.0,
            other={name: text or "" for name, text in self._row.items() if name and name not in _FIELD_NAMES},
        )

    def _name(self, column: str) -> str:
        name = self._text(column).lower()
        name = name.replace("-", " ").split()[0] if column == "gpu" else name
        return _ALIASES[column].get(name, name)

    def _text(self, name: str) -> str:
        text = (self._row.get(name) or "").strip()
        if not text:
            raise self._wrong(name, "a text", text)
        return text

    def _count(self, name: str, least: int = 1) -> int:
        text = self._text(name)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not number >= least or number != int(number):
            raise self._wrong(name, f"a whole number of {least} or more", text)
        return int(number)

    def _flag(self, name: str) -> bool:
        text = self._text(name).lower()
        if text not in ("0", "1", "true", "false"):
            raise self._wrong(name, "0 or 1", text)
        return text in ("1", "true")

    def _number(self, name: str) -> float | None:
        text = (self._row.get(name) or "").strip()
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            raise self._wrong(name, "a number above 0, or nothing", text)
        return number

    def _date(self, name: str) -> date | None:
        text = (self._row.get(name) or "").strip()
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            raise self._wrong(name, "a date, 2026-02-25, or nothing", text) from None

    def _wrong(self, name: str, expected: str, text: str) -> UsageError:
        return UsageError(f"{self._at}: column {name} must be {expected}, not {text!r}")
