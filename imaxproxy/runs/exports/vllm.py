"""`vllm bench serve --save-result`: one JSON object, keys in that file's order (vLLM 0.32)."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imaxproxy.runs.exports.facts import Facts
from imaxproxy.runs.exports.inferencex.raw import spreads_of
from imaxproxy.runs.exports.measured import Measured, measure
from imaxproxy.runs.manifest import write_json
from imaxproxy.runs.record import RunRecord

PERCENTILES = (50.0, 90.0, 95.0, 99.0)


def write_vllm(record: RunRecord, facts: Facts, path: Path, *, detailed: bool = False) -> tuple[list[Path], list[str]]:
    """Scalars in ms, lists in seconds, as there. detailed: the lists of --save-detailed (but for the texts)."""
    measured = measure(record, detailed=detailed)
    write_json(path, vllm_result(record, facts, measured, detailed=detailed))
    return [path], []


def vllm_result(record: RunRecord, facts: Facts, measured: Measured, *, detailed: bool = False) -> dict[str, Any]:
    """The object. Raises UsageError where no answer of two tokens or more completed."""
    spreads = spreads_of(record, measured)
    requests, completed = measured.requests, measured.completed
    duration_s, given, made = measured.duration_s, measured.total_input_tokens, measured.total_output_tokens
    slo = record.summary["slo"]
    chat = record.settings.get("endpoint", "chat") == "chat"
    result: dict[str, Any] = {
        "date": f"{datetime.fromtimestamp(record.unix_s(measured.start_ns), UTC):%Y%m%d-%H%M%S}",
        "endpoint_type": "openai-chat" if chat else "openai",
        "backend": "openai-chat" if chat else "openai",
        "label": None,
        "model_id": facts.model,
        "tokenizer_id": facts.tokenizer or facts.model,
        "num_prompts": len(requests),
        "measured_by": "imaxproxy",
        "simulated": record.simulated,
        "request_rate": record.settings.get("rate") or "inf",
        "burstiness": 1.0,
        "max_concurrency": facts.conc,
        "duration": duration_s,
        "completed": len(completed),
        "failed": len(requests) - len(completed),
        "total_input_tokens": given,
        "total_output_tokens": made,
        "request_throughput": len(completed) / duration_s,
        "request_goodput": slo["whole"]["goodput_per_s"] if slo else None,
        "output_throughput": made / duration_s,
        "total_token_throughput": (given + made) / duration_s,
    }
    zero_s = record.unix_s(0)
    if detailed:
        result |= {
            "input_lens": [request.input_tokens for request in requests],
            "output_lens": [request.output_tokens for request in requests],
            "ttfts": [request.ttft_s or 0.0 for request in requests],
            "itls": [list(request.gaps_s) for request in requests],
        }
    result["latencies"] = [request.e2e_s or 0.0 for request in requests]
    if detailed:
        result["start_times"] = [zero_s + request.start_ns / 1e9 for request in requests]
        result["errors"] = [request.error for request in requests]
    result |= {
        "max_output_tokens_per_s": float(max(measured.tokens_by_second.values(), default=0)),
        "max_concurrent_requests": measured.peak_in_flight,
    }
    for name, spread in spreads.items():
        result |= {
            f"mean_{name}_ms": spread.mean(),
            f"median_{name}_ms": spread.percentile(50),
            f"std_{name}_ms": spread.std(),
        }
        result |= {f"p{percent:g}_{name}_ms": spread.percentile(percent) for percent in PERCENTILES}
    return result
