"""Results of `vllm bench serve` and of SGLang's bench_serving: what a client measured of one deployment."""

from datetime import datetime
from typing import Any

from imaxproxy.errors import ImaxproxyError
from imaxproxy.runs.imports.baseline import Baseline, Row, known, with_costs

_PERCENTILES = (("p50", "median"), ("p90", "p90"), ("p99", "p99"))


def is_vllm(row: object) -> bool:
    """Also InferenceX's raw result, which has the same keys."""
    return isinstance(row, dict) and "total_token_throughput" in row and "model_id" in row


def is_sglang(row: object) -> bool:
    return isinstance(row, dict) and "total_throughput" in row and "input_throughput" in row


def read_vllm(fields: dict[str, Any], where: str, said: dict[str, str]) -> Baseline:
    """One result. said: `gpu` and `gpus`, which the file does not know, and other facts."""
    row = Row(fields, where)
    return _baseline(
        "vLLM bench", row, said, row.needed("total_token_throughput"), row.needed("output_throughput"),
        {"ttft": "ttft", "e2e": "e2el", "tpot": "tpot"}, _day(row), row.text("model_id"),
    )  # fmt: skip


def read_sglang(fields: dict[str, Any], where: str, said: dict[str, str]) -> Baseline:
    """One line. It has no date."""
    row = Row(fields, where)
    server = fields.get("server_info")
    model = said.get("model") or (server.get("model_path") if isinstance(server, dict) else None)
    return _baseline(
        "SGLang bench_serving", row, said, row.needed("total_throughput"), row.needed("output_throughput"),
        {"ttft": "ttft", "e2e": "e2e_latency", "tpot": "tpot"}, None, model,
    )  # fmt: skip


def _baseline(
    tool: str,
    row: Row,
    said: dict[str, str],
    total: float,
    output: float,
    names: dict[str, str],
    as_of: str | None,
    model: str | None,
) -> Baseline:
    """ITL is left out: both mean the gap between events. Rates a GPU need `gpus`."""
    values: dict[str, float | None] = {
        "total_rate": total,
        "output_rate": output,
        "request_rate": row.number("request_throughput"),
    }
    for ours, theirs in names.items():
        for percentile, name in _PERCENTILES:
            values[f"{ours}_{percentile}"] = row.number(f"{name}_{theirs}_ms")
    for suffix, percentile in (("", "p50"), ("_p90", "p90"), ("_p99", "p99")):
        tpot_ms = values[f"tpot_{percentile}"]
        values[f"interactivity{suffix}"] = 1000 / tpot_ms if tpot_ms else None
    if gpus := _gpus(said):
        values["total_per_gpu"], values["output_per_gpu"] = total / gpus, output / gpus
    conc = row.number("max_concurrency")
    rate = row.fields.get("request_rate")
    load = f"concurrency {conc:g}" if conc is not None else f"rate {rate}"
    facts = {"model": model, "gpu": said.get("gpu"), "engine": said.get("engine"), "precision": said.get("precision")}
    return Baseline(
        tool=tool,
        source=row.where,
        as_of=as_of,
        facts={**facts, **{key: value for key, value in said.items() if key != "gpus"}},
        load=load,
        values=with_costs(known(values), said.get("gpu")),
        simulated=bool(row.fields.get("simulated")),
    )


def _gpus(said: dict[str, str]) -> int | None:
    text = said.get("gpus")
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ImaxproxyError(f"gpus={text}: how many GPUs, 1 or more")
    return int(text)


def _day(row: Row) -> str | None:
    """20261126-041342 is 2026-11-26; None for what is no such date."""
    try:
        return datetime.strptime(row.text("date") or "", "%Y%m%d-%H%M%S").date().isoformat()
    except ValueError:
        return None
