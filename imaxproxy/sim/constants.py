"""The fitted constants of the step-time model (constants.toml), and the hash that names them."""

import hashlib
import tomllib
from dataclasses import dataclass, fields
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
    prefill_floor_s_per_layer: float
    request_overhead_s: float
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
    mxfp4_kv_bytes: float
    step_s: float
    stream_s: float


@dataclass(frozen=True, slots=True)
class CalibratedRange:
    """What the fit saw; outside of it the model extrapolates."""

    architectures: tuple[str, ...]
    gpus: tuple[str, ...]
    engines: tuple[str, ...]
    max_gpus: int
    max_streams_per_gpu: int
    max_context_tokens: int


def engine_names() -> list[str]:
    """The engines whose host overhead was fitted."""
    return list(_table()["engine"])


def load_constants(gpu_architecture: str, engine: str) -> Constants:
    """The constants to use. Raises UsageError for an engine that was never fitted."""
    table = _table()
    if engine not in table["engine"]:
        raise UsageError(f"no constants for engine {engine!r}; known: {', '.join(engine_names())}")
    merged = {**table["common"], **table["architecture"][gpu_architecture], **table["engine"][engine]}
    return Constants(**{field.name: merged[field.name] for field in fields(Constants)})


def calibrated_range() -> CalibratedRange:
    """The range of the fit."""
    row = _table()["range"]
    return CalibratedRange(
        architectures=tuple(row["architectures"]),
        gpus=tuple(row["gpus"]),
        engines=tuple(row["engines"]),
        max_gpus=row["max_gpus"],
        max_streams_per_gpu=row["max_streams_per_gpu"],
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
