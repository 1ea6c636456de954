"""What a GPU can do (hardware.toml): memory, compute, links, power limit."""

from dataclasses import dataclass
from typing import Any

from imaxproxy.economics.assumption import Assumption
from imaxproxy.economics.table import day, table
from imaxproxy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU: dense compute, memory and links, as published."""

    kind: str
    name: str
    vendor: str
    architecture: str
    cooling: str
    """"air" or "liquid": which PUE it is reckoned with where none is given."""
    hbm_bytes: float
    hbm_bytes_per_s: float
    flops_per_s: dict[str, float]
    """Dense peak by precision: bf16, fp8 and, where the chip has it, fp4."""
    nvlink_bytes_per_s: float
    """One direction; AMD's Infinity Fabric where there is no NVLink."""
    nvlink_domain_gpus: int
    tdp_w: float


def gpu_kinds() -> list[str]:
    """The GPUs we have facts about."""
    return list(table()["gpu"])


def load_gpu(kind: str) -> Gpu:
    """The facts of one GPU. Raises UsageError that lists the known ones."""
    row = table()["gpu"].get(kind.lower())
    if row is None:
        raise UsageError(f"unknown GPU {kind!r}; known: {', '.join(gpu_kinds())}")
    return Gpu(
        kind=kind.lower(),
        name=row["name"],
        vendor=row["vendor"],
        architecture=row["architecture"],
        cooling=row["cooling"],
        hbm_bytes=row["hbm_gb"] * 1e9,
        hbm_bytes_per_s=row["hbm_tb_per_s"] * 1e12,
        flops_per_s={name: row[f"{name}_tflops"] * 1e12 for name in ("bf16", "fp8", "fp4") if f"{name}_tflops" in row},
        nvlink_bytes_per_s=row["nvlink_gb_per_s"] * 1e9,
        nvlink_domain_gpus=row["nvlink_domain_gpus"],
        tdp_w=float(row["tdp_w"]),
    )


def gpu_facts(kind: str) -> list[Assumption]:
    """The figures of one GPU that money and power rest on, each with its source and day."""
    gpu, sources = load_gpu(kind), table()["gpu_source"]
    return [
        _fact("HBM", gpu.hbm_bytes / 1e9, "GB", sources["specs"]),
        _fact("HBM bandwidth", gpu.hbm_bytes_per_s / 1e12, "TB/s", sources["specs"]),
        *(_fact(f"{name} dense", rate / 1e12, "TFLOP/s", sources["specs"]) for name, rate in gpu.flops_per_s.items()),
        _fact("TDP", gpu.tdp_w, "W", sources["tdp"]),
    ]


def _fact(name: str, value: float, unit: str, source: dict[str, Any]) -> Assumption:
    return Assumption(name, value, unit, day(source["as_of"]), source["source"])
