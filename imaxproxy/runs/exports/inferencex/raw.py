"""The result of InferenceX's client, key for key: what its `process_result.py` reads."""

from datetime import UTC, datetime
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.runs.exports.facts import Facts
from imaxproxy.runs.exports.measured import Measured
from imaxproxy.runs.exports.spread import Spread
from imaxproxy.runs.record import RunRecord

PERCENTILES = (90.0, 99.0, 99.9)
METRICS = ("ttft", "tpot", "itl", "e2el")


def raw_result(record: RunRecord, facts: Facts, measured: Measured) -> dict[str, Any]:
    """45 keys, and `simulated` where it was.

    Raises UsageError where the format has no place for what was not measured: no request with two tokens or more.
    """
    spreads = spreads_of(record, measured)
    duration_s, completed = measured.duration_s, len(measured.completed)
    given, made = measured.total_input_tokens, measured.total_output_tokens
    started_s = record.unix_s(measured.start_ns)
    slo = record.summary["slo"]
    goodput = slo["whole"]["goodput_per_s"] if slo else None
    result: dict[str, Any] = {
        "date": f"{datetime.fromtimestamp(started_s, UTC):%Y%m%d-%H%M%S}",
        "backend": "openai-chat" if record.settings.get("endpoint", "chat") == "chat" else "openai",
        "model_id": facts.model,
        "tokenizer_id": facts.tokenizer or facts.model,
        "best_of": 1,
        "num_prompts": len(measured.requests),
        "request_rate": record.settings.get("rate") or "inf",
        "burstiness": 1.0,
        "max_concurrency": facts.conc or measured.peak_in_flight,
        "duration": duration_s,
        "benchmark_start_time_unix": started_s,
        "benchmark_end_time_unix": started_s + duration_s,
        "completed": completed,
        "total_input_tokens": given,
        "total_output_tokens": made,
        "request_throughput": completed / duration_s,
        "request_goodput:": goodput,
        "output_throughput": made / duration_s,
        "total_token_throughput": (given + made) / duration_s,
        "input_lens": [request.input_tokens for request in measured.requests],
        "output_lens": [request.output_tokens for request in measured.requests],
    }
    for name, spread in spreads.items():
        result |= _stats(name, spread)
    return result | ({"simulated": True} if record.simulated else {})


def spreads_of(record: RunRecord, measured: Measured) -> dict[str, Spread]:
    """The four latencies, in ms. Raises UsageError for one that has no value."""
    spreads = {
        "ttft": measured.ttft_ms(),
        "tpot": measured.tpot_ms(),
        "itl": measured.itl_ms(),
        "e2el": measured.e2el_ms(),
    }
    for name, spread in spreads.items():
        if not spread.count:
            raise UsageError(
                f"{record.directory.path} has no {name.upper()} (of completed, streamed answers of two tokens or more "
                f"whose tokens are known): this format cannot leave it out"
            )
    return spreads


def _stats(name: str, spread: Spread) -> dict[str, float]:
    stats = {
        f"mean_{name}_ms": spread.mean(),
        f"median_{name}_ms": spread.percentile(50),
        f"std_{name}_ms": spread.std(),
    }
    return stats | {f"p{percent:g}_{name}_ms": spread.percentile(percent) for percent in PERCENTILES}
