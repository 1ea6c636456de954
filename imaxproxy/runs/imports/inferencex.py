"""InferenceX: rows of its public API, and its aggregates (`agg_*.json`, `agg_bmk.json`)."""

from typing import Any

from imaxproxy.runs.imports.baseline import Baseline, Row, gpu_kind, known, with_costs

_PERCENTILES = (("p50", "median"), ("p90", "p90"), ("p99", "p99"))


def is_inferencex(row: object) -> bool:
    """A row of the API has `metrics` and `hardware`, an aggregate `tput_per_gpu` and `hw`."""
    return isinstance(row, dict) and (
        ("metrics" in row and "hardware" in row) or ("tput_per_gpu" in row and "hw" in row)
    )


def read_row(fields: dict[str, Any], where: str) -> Baseline:
    """One row. Times are in s there; ITL is left out, for there it is the gap between events, whatever they hold.

    A disaggregated row's output rate is per decode GPU there: it is brought to all GPUs, or left out where their
    numbers are not known. Raises ImaxproxyError for a field that is no number, or a throughput that is missing.
    """
    row = Row(fields, where)
    metrics = Row(fields["metrics"], f"{where}: metrics") if "metrics" in fields else row
    gpu = gpu_kind(row.text("hardware") or row.text("hw"))
    disagg = fields.get("disagg") in (True, "true")
    values: dict[str, float | None] = {
        "interactivity": metrics.number("median_intvty"),
        "interactivity_p90": metrics.number("p90_intvty"),
        "interactivity_p99": metrics.number("p99_intvty"),
        "total_per_gpu": metrics.needed("tput_per_gpu"),
        "output_per_gpu": _output_per_gpu(row, metrics, disagg=disagg),
    }
    for ours, theirs in (("ttft", "ttft"), ("e2e", "e2el"), ("tpot", "tpot")):
        for percentile, name in _PERCENTILES:
            seconds = metrics.number(f"{name}_{theirs}")
            values[f"{ours}_{percentile}"] = None if seconds is None else seconds * 1000
    if metrics.number("power_valid"):
        values["j_output"] = metrics.number("joules_per_output_token")
        values["j_total"] = metrics.number("joules_per_total_token")
    conc = row.number("conc")
    shape = _shape(fields, disagg=disagg)
    return Baseline(
        tool="InferenceX",
        source=row.text("run_url") or where,
        as_of=(row.text("date") or "")[:10] or None,
        facts={
            "model": row.text("infmax_model_prefix") or row.text("model"),
            "gpu": gpu,
            "engine": row.text("framework"),
            "precision": row.text("precision"),
            "isl": fields.get("isl"),
            "osl": fields.get("osl"),
            "spec_decoding": row.text("spec_method") or row.text("spec_decoding"),
            "disagg": disagg,
            "conc": None if conc is None else int(conc),
        },
        load=", ".join(word for word in ("" if conc is None else f"concurrency {conc:g}", shape) if word),
        values=with_costs(known(values), gpu),
        simulated=bool(fields.get("simulated")),
    )


def _output_per_gpu(row: Row, metrics: Row, *, disagg: bool) -> float | None:
    rate = metrics.number("output_tput_per_gpu")
    if rate is None or not disagg:
        return rate
    prefill, decode = row.number("num_prefill_gpu"), row.number("num_decode_gpu")
    return None if not prefill or not decode else rate * decode / (prefill + decode)


def _shape(fields: dict[str, Any], *, disagg: bool) -> str:
    """How the model lies on the GPUs: points of one concurrency differ by it."""
    names = ("num_prefill_gpu", "num_decode_gpu", "decode_tp", "decode_ep") if disagg else ("tp", "ep", "dp_attention")
    if not disagg and "tp" not in fields:
        names = ("decode_tp", "decode_ep", "decode_dp_attention")
    said = [(name.removeprefix("decode_"), fields.get(name)) for name in names]
    return ", ".join(f"{name} {value}" for name, value in said if value not in (None, False, "false"))
