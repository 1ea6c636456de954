"""The fitted constants of the step-time model (constants.toml), and the hash that names them."""

import hashlib
import tomllib
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError

_TABLE = Path(__file__).with_name("constants.toml")


@dataclass(frozen=True, slots=True)
class Constants:
    """The constants for one GPU architecture and one engine. Efficiencies are shares of the published peak."""

    overlap_power: float
    routing_skew: float
    expert_imbalance: float
    nvlink_efficiency: float
    all_to_all_s: float
    fixed_memory_bytes: float
    drafter_share: float
    kv_transfer_efficiency: float
    dense_bandwidth_efficiency: float
    expert_bandwidth_efficiency: float
    gqa_bandwidth_efficiency: float
    mla_bandwidth_efficiency: float
    compute_efficiency: dict[str, float]
    expert_compute_factor: float
    layer_s: float
    moe_layer_s: float
    mla_layer_s: float
    all_reduce_s: float
    all_reduce_log2_s: float
    mxfp4_math: str
    scale_out_bytes_per_s: float
    layer_factor: float
    step_s: float
    stream_s: float
    request_s: float
    wait_steps: float
    mla_wait_steps: float
    burst_share: float
    chunk_tokens: int
    memory: str


@dataclass(frozen=True, slots=True)
class PowerConstants:
    """How a board's power follows its use; see constants.toml."""

    a: float
    b: float
    m: float
    c: float
    idle_w: float
    expected_error: float
    """Mean absolute relative error against measured board power."""
    is_measured: bool
    """False: nobody measured this GPU, the joint fit of others serves."""


@dataclass(frozen=True, slots=True)
class CalibratedRange:
    """What the fit saw; outside of it the model extrapolates."""

    architectures: tuple[str, ...]
    gpus: tuple[str, ...]
    engines: tuple[str, ...]
    max_gpus: int
    max_streams: int
    max_context_tokens: int


def engine_names() -> list[str]:
    """The engines whose host overhead was fitted."""
    return list(_table()["engine"])


def default_chunk_tokens(engine: str) -> int:
    """Tokens a step of an engine holds where its recipe does not say."""
    return int(_table()["engine"][engine]["chunk_tokens"])


def load_constants(gpu_architecture: str, engine: str) -> Constants:
    """The constants to use. Raises UsageError for an engine or a GPU architecture that was never fitted."""
    table = _table()
    if engine not in table["engine"]:
        raise UsageError(f"no constants for engine {engine!r}; known: {', '.join(engine_names())}")
    if gpu_architecture not in table["architecture"]:
        raise UsageError(
            f"GPUs of architecture {gpu_architecture!r} cannot be simulated: the step model has no constants of theirs "
            "([architecture.*] in sim/constants.toml), for no measured points of such a GPU are at hand to fit them; "
            f"it has those of {', '.join(table['architecture'])}"
        )
    merged = {**table["common"], **table["architecture"][gpu_architecture], **table["engine"][engine]}
    return Constants(**{field.name: merged[field.name] for field in fields(Constants)})


def load_power(gpu_kind: str, tdp_w: float) -> PowerConstants:
    """The power constants of a GPU, or the joint ones."""
    table = _table()["power"]
    row = dict(table.get(gpu_kind, table["any"]))
    idle_w = row.pop("idle_w", None) or row.pop("idle_share") * tdp_w
    return PowerConstants(**row, idle_w=idle_w, is_measured=gpu_kind in table)


def vintage_of(day: date) -> float:
    """The software's age factor on a day: that of the last period that has begun."""
    by_date: list[tuple[date, float]] = _table()["vintage"]["by_date"]
    begun = [factor for first, factor in by_date if first <= day]
    return begun[-1] if begun else by_date[0][1]


def batch_wait_steps(engine: str, model: str, gpus: int, isl: int, osl: int) -> float:
    """Steps that InferenceX's recipe of such a curve makes a request wait for others; 0 where it says nothing."""
    curve = {"engine": engine, "model": model, "isl": isl, "osl": osl}
    for row in _table()["batch_wait"]:
        if gpus < row["below_gpus"] and all(row[name] == value for name, value in curve.items()):
            return float(row["steps"])
    return 0.0


def calibrated_range() -> CalibratedRange:
    """The range of the fit."""
    row = _table()["range"]
    return CalibratedRange(
        architectures=tuple(row["architectures"]),
        gpus=tuple(row["gpus"]),
        engines=tuple(row["engines"]),
        max_gpus=row["max_gpus"],
        max_streams=row["max_streams"],
        max_context_tokens=row["max_context_tokens"],
    )


def model_version() -> str:
    """Version of the constants; a change of formula or constant changes it."""
    return str(_table()["version"])


def expected_error(in_range: bool) -> float:
    """Mean absolute relative error of TPOT to expect."""
    return float(_table()["expected_error_in_range" if in_range else "expected_error_outside"])


@cache
def constants_sha256() -> str:
    """Names the constants in every output."""
    return hashlib.sha256(_TABLE.read_bytes()).hexdigest()


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(_TABLE.read_text("utf-8"))
