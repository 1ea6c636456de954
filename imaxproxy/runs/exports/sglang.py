"""The line that SGLang's `bench_serving --output-file` appends for a run (SGLang 0.5.23)."""

from pathlib import Path
from typing import Any

import orjson

from imaxproxy.runs.exports.facts import Facts
from imaxproxy.runs.exports.inferencex.raw import spreads_of
from imaxproxy.runs.exports.measured import Measured, measure
from imaxproxy.runs.record import RunRecord

PERCENTILES = (90.0, 95.0, 99.0)


def write_sglang(
    record: RunRecord, facts: Facts, path: Path, *, detailed: bool = False
) -> tuple[list[Path], list[str]]:
    """One line. detailed: the lists of --output-details (but for the texts)."""
    measured = measure(record, detailed=detailed)
    line = orjson.dumps(sglang_result(record, facts, measured, detailed=detailed), option=orjson.OPT_APPEND_NEWLINE)
    path.write_bytes(line)
    return [path], []


def sglang_result(record: RunRecord, facts: Facts, measured: Measured, *, detailed: bool = False) -> dict[str, Any]:
    """The object. An endless rate is the word "inf", as SGLang's Rust client has it: its Python one writes no JSON.

    Raises UsageError where no answer of two tokens or more completed.
    """
    spreads = spreads_of(record, measured)
    completed, duration_s = measured.completed, measured.duration_s
    given, made = measured.total_input_tokens, measured.total_output_tokens
    result: dict[str, Any] = {
        "tag": record.directory.path.name,
        "backend": "sglang-oai-chat" if record.settings.get("endpoint", "chat") == "chat" else "sglang-oai",
        "dataset_name": "custom",
        "measured_by": "imaxproxy",
        "simulated": record.simulated,
        "request_rate": record.settings.get("rate") or "inf",
        "max_concurrency": facts.conc,
        "sharegpt_output_len": None,
        "random_input_len": facts.isl,
        "random_output_len": facts.osl,
        "random_range_ratio": None,
        "server_info": None,
        "duration": duration_s,
        "completed": len(completed),
        "total_input_tokens": given,
        "total_input_text_tokens": given,
        "total_input_vision_tokens": 0,
        "total_output_tokens": made,
        "total_output_tokens_retokenized": None,
        "request_throughput": len(completed) / duration_s,
        "input_throughput": given / duration_s,
        "output_throughput": made / duration_s,
        "total_throughput": (given + made) / duration_s,
    }
    for name, key in (("e2el", "e2e_latency"), ("ttft", "ttft"), ("tpot", "tpot"), ("itl", "itl")):
        spread = spreads[name]
        result |= {
            f"mean_{key}_ms": spread.mean(),
            f"median_{key}_ms": spread.percentile(50),
            f"std_{key}_ms": spread.std(),
        }
        result |= {f"p{percent:g}_{key}_ms": spread.percentile(percent) for percent in PERCENTILES}
    result |= {
        "concurrency": sum(request.e2e_s or 0.0 for request in completed) / duration_s,
        "accept_length": None,
        "max_output_tokens_per_s": float(max(measured.tokens_by_second.values(), default=0)),
        "max_concurrent_requests": measured.peak_in_flight,
    }
    if detailed:
        result |= {
            "input_lens": [request.input_tokens for request in measured.requests],
            "output_lens": [request.output_tokens for request in measured.requests],
            "ttfts": [request.ttft_s or 0.0 for request in measured.requests],
            "itls": [list(request.gaps_s) for request in measured.requests],
            "errors": [request.error for request in measured.requests],
            "cached_tokens": [request.cached_tokens or 0 for request in measured.requests],
        }
    return result
