"""InferenceX's aggregate of one point, single node: what `process_result.py` makes of a result."""

from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.runs.exports.facts import Facts
from imaxproxy.runs.record import RunRecord

POWER_SCHEMA = 2


def aggregate(record: RunRecord, facts: Facts, raw: dict[str, Any], power: dict[str, float] | None) -> dict[str, Any]:
    """Times in s, rates in tokens/s a GPU, `intvty` = 1 / TPOT in tokens/s a user; None for what nobody said.

    power: its metrics where they are valid, None where they are not. `std_intvty` is 1 / std(TPOT) as InferenceX has
    it, which means nothing; null where the deviation is 0. Raises UsageError for a disaggregated engine: those are its
    multi-node aggregates, whose per-role figures need GPUs by role.
    """
    if record.engine.get("disaggregated"):
        raise UsageError(f"{record.directory.path} ran disaggregated: only single-node aggregates are exported")
    gpus = gpu_count(facts)
    total, output = raw["total_token_throughput"], raw["output_throughput"]
    data: dict[str, Any] = {
        "hw": facts.hw,
        "conc": raw["max_concurrency"],
        "image": facts.image,
        "model": raw["model_id"],
        "infmax_model_prefix": facts.model_prefix,
        "framework": facts.framework,
        "precision": facts.precision,
        "spec_decoding": facts.spec_decoding,
        "disagg": False,
        "recipe_fingerprint": facts.recipe_fingerprint,
        "isl": facts.isl or _mean(raw["input_lens"]),
        "osl": facts.osl or _mean(raw["output_lens"]),
        "is_multinode": False,
        "tp": facts.tp,
        "pp": facts.pp,
        "dcp_size": facts.dcp_size,
        "pcp_size": facts.pcp_size,
        "ep": facts.ep,
        "dp_attention": None if facts.dp_attention is None else str(facts.dp_attention).lower(),
        "tput_per_gpu": _per(total, gpus),
        "output_tput_per_gpu": _per(output, gpus),
        "input_tput_per_gpu": _per(total - output, gpus),
    }
    for key, value in raw.items():
        if key.endswith("_ms"):
            data[key.removesuffix("_ms")] = value / 1000
            if "tpot" in key:
                data[key.removesuffix("_ms").replace("tpot", "intvty")] = 1000 / value if value else None
    data |= {"power_metric_schema_version": POWER_SCHEMA, "power_valid": int(power is not None), **(power or {})}
    return data | ({"simulated": True} if record.simulated else {})


def gpu_count(facts: Facts) -> int | None:
    """InferenceX's: tp * pp * pcp; else the GPUs that were named."""
    if facts.tp is not None:
        return facts.tp * (facts.pp or 1) * (facts.pcp_size or 1)
    return facts.gpus


def _per(rate: float, gpus: int | None) -> float | None:
    return rate / gpus if gpus else None


def _mean(lengths: list[int]) -> int | None:
    return round(sum(lengths) / len(lengths)) if lengths else None
