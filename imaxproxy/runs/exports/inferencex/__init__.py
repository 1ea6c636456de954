"""InferenceX's artifacts: its client's result, `gpu_metrics.csv`, the aggregate, the power sidecar, and the environment
with which its own `process_result.py` makes the last two from the first two."""

import shlex
from pathlib import Path
from typing import Any

from imaxproxy.runs.exports.facts import Facts
from imaxproxy.runs.exports.inferencex.aggregate import aggregate, gpu_count
from imaxproxy.runs.exports.inferencex.gpu_metrics import readings, write_gpu_metrics
from imaxproxy.runs.exports.inferencex.power_validation import integrate, power_metrics, sidecar
from imaxproxy.runs.exports.inferencex.raw import raw_result
from imaxproxy.runs.exports.measured import measure
from imaxproxy.runs.manifest import write_json
from imaxproxy.runs.record import RunRecord

__all__ = ["write_inferencex"]

RESULT = "result"
CSV = "gpu_metrics.csv"


def write_inferencex(record: RunRecord, facts: Facts, into: Path) -> tuple[list[Path], list[str]]:
    """Write them into a folder; the files, and what to know of them. Raises UsageError for what it cannot hold."""
    raw = raw_result(record, facts, measure(record))
    rows = list(readings(record, record.directory.power)) if record.directory.power.exists() else []
    made = integrate(rows, raw["benchmark_start_time_unix"], raw["benchmark_end_time_unix"], gpu_count(facts))
    metrics = power_metrics(made, raw)
    whole = aggregate(record, facts, raw, metrics)
    into.mkdir(parents=True, exist_ok=True)
    names = [f"{RESULT}.json", f"agg_{RESULT}.json", f"power_validation_{RESULT}.json"]
    audit = sidecar(made, raw, metrics, (CSV, names[0])) | ({"simulated": True} if record.simulated else {})
    for name, content in zip(names, (raw, whole, audit), strict=True):
        write_json(into / name, content)
    if rows:
        write_gpu_metrics(rows, into / CSV)
        names.append(CSV)
    names.append(f"{RESULT}.env")
    (into / names[-1]).write_text(_environment(whole))
    return [into / name for name in names], _notes(raw, whole, made.reasons)


_ENVIRONMENT = {
    "RUNNER_TYPE": "hw", "FRAMEWORK": "framework", "PRECISION": "precision", "SPEC_DECODING": "spec_decoding",
    "ISL": "isl", "OSL": "osl", "DISAGG": "disagg", "MODEL_PREFIX": "infmax_model_prefix", "IMAGE": "image", "TP": "tp",
    "EP_SIZE": "ep", "PP_SIZE": "pp", "DCP_SIZE": "dcp_size", "PCP_SIZE": "pcp_size", "DP_ATTENTION": "dp_attention",
}  # fmt: skip
"""Of `process_result.py`, with the aggregate's key that says its value."""


def _environment(whole: dict[str, Any]) -> str:
    """For `set -a; . result.env; python process_result.py`; what nobody said has to be filled in there."""
    lines = [f"RESULT_FILENAME={RESULT}", f"GPU_METRICS_CSV={CSV}"]
    for name, key in _ENVIRONMENT.items():
        value = whole[key]
        text = str(value).lower() if isinstance(value, bool) else str(value)
        lines.append(f"# {name}=   (not known)" if value is None else f"{name}={shlex.quote(text)}")
    return "\n".join(lines) + "\n"


def _notes(raw: dict[str, Any], whole: dict[str, Any], reasons: list[str]) -> list[str]:
    notes = []
    if unknown := [key for key in _ENVIRONMENT.values() if whole[key] is None]:
        notes.append(f"not known, so null: {', '.join(unknown)}; say them with --set NAME=VALUE")
    if reasons:
        notes.append(f"power_valid is 0: {', '.join(reasons)}")
    if not raw["std_tpot_ms"]:
        notes.append(
            "all requests have the same TPOT: InferenceX's process_result.py divides by its deviation and stops"
        )
    return notes
