"""The hardware table (hardware.toml): what a GPU can do, what it costs an hour, what power is provisioned for it."""

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError

TENURES = ("hyperscaler", "neocloud", "rental")
"""Who pays: owning at hyperscaler prices, owning at a large neocloud's, a 3-year lease."""

_TABLE = Path(__file__).with_name("hardware.toml")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU: dense compute, memory and links, as published."""

    kind: str
    name: str
    architecture: str
    hbm_bytes: float
    hbm_bytes_per_s: float
    flops_per_s: dict[str, float]
    """Dense peak by precision: bf16, fp8 and, where the chip has it, fp4."""
    nvlink_bytes_per_s: float
    """One direction."""
    nvlink_domain_gpus: int
    tdp_w: float


@dataclass(frozen=True, slots=True)
class Price:
    """What one GPU costs an hour and what power is provisioned for it: dated, with its source."""

    gpu_kind: str
    tenure: str
    generation: str
    as_of: date | None
    source: str
    boundary: str
    usd_per_gpu_hour: float
    kw_per_gpu: float


def gpu_kinds() -> list[str]:
    """The GPUs we have facts about."""
    return list(_table()["gpu"])


def load_gpu(kind: str) -> Gpu:
    """The facts of one GPU. Raises UsageError that lists the known ones."""
    row = _table()["gpu"].get(kind.lower())
    if row is None:
        raise UsageError(f"unknown GPU {kind!r}; known: {', '.join(gpu_kinds())}")
    return Gpu(
        kind=kind.lower(),
        name=row["name"],
        architecture=row["architecture"],
        hbm_bytes=row["hbm_gb"] * 1e9,
        hbm_bytes_per_s=row["hbm_tb_per_s"] * 1e12,
        flops_per_s={name: row[f"{name}_tflops"] * 1e12 for name in ("bf16", "fp8", "fp4") if f"{name}_tflops" in row},
        nvlink_bytes_per_s=row["nvlink_gb_per_s"] * 1e9,
        nvlink_domain_gpus=row["nvlink_domain_gpus"],
        tdp_w=float(row["tdp_w"]),
    )


def newest_generation() -> str:
    """The newest generation of prices that has a date; an undated one is taken only when asked for."""
    dated: dict[str, date] = {name: prices["as_of"] for name, prices in _table()["price"].items() if "as_of" in prices}
    return max(dated, key=lambda name: dated[name])


def load_price(gpu_kind: str, tenure: str = "hyperscaler", generation: str | None = None) -> Price:
    """The price of one GPU. Raises UsageError for an unknown GPU, tenure or generation, or a price never published."""
    gpu = load_gpu(gpu_kind)
    generation = generation or newest_generation()
    prices = _table()["price"].get(generation)
    if prices is None:
        raise UsageError(f"unknown price generation {generation!r}; known: {', '.join(_table()['price'])}")
    if tenure not in TENURES:
        raise UsageError(f"unknown price {tenure!r}; known: {', '.join(TENURES)}")
    row = prices["gpu"][gpu.kind]
    if tenure not in row:
        raise UsageError(
            f"generation {generation} has no {tenure} price for {gpu.kind}; it has one for another of {TENURES}"
        )
    return Price(
        gpu_kind=gpu.kind,
        tenure=tenure,
        generation=generation,
        as_of=prices.get("as_of"),
        source=prices["source"],
        boundary=prices["boundary"],
        usd_per_gpu_hour=row[tenure],
        kw_per_gpu=row["kw"],
    )


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(_TABLE.read_text("utf-8"))
