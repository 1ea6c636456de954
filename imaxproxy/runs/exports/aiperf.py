"""AIPerf's exports: a line a request in `profile_export.jsonl`, the run in `profile_export_aiperf.json` (0.13)."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import Exchange, Outcome, Timeline
from imaxproxy.metrics.formulas import e2e_ns, ttfo_ns, ttft_ns
from imaxproxy.runs.exports.facts import Facts
from imaxproxy.runs.exports.spread import Spread
from imaxproxy.runs.manifest import write_json
from imaxproxy.runs.record import RunRecord

SCHEMA_VERSION = "1.4"
PERCENTILES = (1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0)

_ENDPOINTS, _ARRIVALS = ("chat", "completions", "responses"), ("constant", "poisson", "gamma")
_NO_URL = "http://simulated.invalid"
"""AIPerf wants one; virtual time has none, and this one resolves nowhere (RFC 2606)."""

Values = dict[str, tuple[float, str]]
"""By AIPerf's tag: a value and its unit."""


def write_aiperf(record: RunRecord, facts: Facts, into: Path) -> tuple[list[Path], list[str]]:
    """Both files, into a folder."""
    into.mkdir(parents=True, exist_ok=True)
    rows, whole = into / "profile_export.jsonl", into / "profile_export_aiperf.json"
    found = _Found()
    with rows.open("wb") as file:
        for number, exchange in enumerate(record.exchanges()):
            values = values_of(exchange)
            found.add(exchange, values)
            file.write(orjson.dumps(_row(record, exchange, number, values), option=orjson.OPT_APPEND_NEWLINE))
    write_json(whole, found.result(record, facts))
    return [rows, whole], []


def values_of(exchange: Exchange) -> Values:
    """What AIPerf measures of one completed request; empty for others, of which it has an error instead."""
    if exchange.outcome is not Outcome.COMPLETED:
        return {}
    first, output, last = ttft_ns(exchange), ttfo_ns(exchange), e2e_ns(exchange)
    tokens, reasoning, given = exchange.output_tokens, exchange.reasoning_tokens, exchange.usage.input_tokens
    found: dict[str, tuple[float | None, str]] = {
        "time_to_first_token": (_ms(first), "ms"),
        "time_to_second_token": (_ms(_second_gap(exchange.timeline)), "ms"),
        "time_to_first_output_token": (_ms(output), "ms"),
        "request_latency": (_ms(last), "ms"),
        "output_sequence_length": (tokens, "tokens"),
        "reasoning_token_count": (reasoning, "tokens"),
        "output_token_count": (None if tokens is None else tokens - (reasoning or 0), "tokens"),
        "input_sequence_length": (given, "tokens"),
    }
    if first is not None and last is not None and tokens is not None and tokens > 1:
        itl_ms = (last - first) / 1e6 / (tokens - 1)
        found["inter_token_latency"] = (itl_ms, "ms")
        found["output_token_throughput_per_user"] = (1000 / itl_ms if itl_ms else None, "tokens/sec/user")
    if last and tokens:
        found["e2e_output_token_throughput"] = (tokens * NS_PER_S / last, "tokens/sec/user")
    return {tag: (value, unit) for tag, (value, unit) in found.items() if value is not None}


def _row(record: RunRecord, exchange: Exchange, number: int, values: Values) -> dict[str, Any]:
    ask = exchange.ask
    sent_ns = ask.begun_ns
    row: dict[str, Any] = {
        "metadata": {
            "session_num": number,
            "x_request_id": ask.request_id,
            "conversation_id": ask.session_id,
            "credit_issued_ns": None if ask.scheduled_ns is None else _unix_ns(record, ask.scheduled_ns),
            "request_start_ns": _unix_ns(record, sent_ns),
            "request_ack_ns": None if exchange.first_byte_ns is None else _unix_ns(record, exchange.first_byte_ns),
            "request_end_ns": _unix_ns(record, exchange.ended_ns),
            "worker_id": "imaxproxy",
            "record_processor_id": "imaxproxy",
            "benchmark_phase": "profiling",
            "was_cancelled": exchange.outcome is Outcome.ABORTED,
        },
        "metrics": {tag: {"value": value, "unit": unit} for tag, (value, unit) in values.items()},
    }
    if len(exchange.timeline) > 1 and values:
        gaps_ms = [gap_us / 1000 for gap_us in exchange.timeline.gaps_us()]
        row["metrics"]["inter_chunk_latency"] = {"value": gaps_ms, "unit": "ms"}
    if exchange.error is not None:
        row["error"] = {"code": exchange.status, "type": exchange.error, "message": exchange.detail or exchange.error}
    return row | ({"simulated": True} if record.simulated else {})


class _Found:
    """What all requests come to."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}
        self._units: dict[str, str] = {}
        self._errors: dict[str, int] = {}
        self._first_ns: int | None = None
        self._last_ns = 0

    def add(self, exchange: Exchange, values: Values) -> None:
        for tag, (value, unit) in values.items():
            self._values.setdefault(tag, []).append(value)
            self._units[tag] = unit
        if exchange.error is not None:
            self._errors[exchange.error] = self._errors.get(exchange.error, 0) + 1
        sent_ns = exchange.ask.begun_ns
        self._first_ns = sent_ns if self._first_ns is None else min(self._first_ns, sent_ns)
        self._last_ns = max(self._last_ns, exchange.ended_ns)

    def result(self, record: RunRecord, facts: Facts) -> dict[str, Any]:
        """One key a metric; a single figure has its `avg` only, as there."""
        metrics = {tag: _stats(values, self._units[tag]) for tag, values in self._values.items()}
        first_ns = self._first_ns or 0
        totals = self._totals((self._last_ns - first_ns) / NS_PER_S)
        return {
            "schema_version": SCHEMA_VERSION,
            **metrics,
            **{tag: {"unit": unit, "avg": value} for tag, (value, unit) in totals.items()},
            "measured_by": "imaxproxy",
            **_input_config(record, facts),
            "was_cancelled": record.summary["ended"] == "interrupted",
            "is_complete": record.summary["ended"] == "finished",
            "error_summary": [
                {"error_details": {"type": kind, "message": kind}, "count": count}
                for kind, count in sorted(self._errors.items())
            ],
            "start_time": _iso(record.unix_s(first_ns)),
            "end_time": _iso(record.unix_s(self._last_ns)),
            "simulated": record.simulated,
        }

    def _totals(self, duration_s: float) -> Values:
        found = {"benchmark_duration": (duration_s, "sec")}
        completed, failed = len(self._values.get("request_latency", [])), sum(self._errors.values())
        found["request_count"] = (float(completed), "requests")
        found["error_request_count"] = (float(failed), "requests")
        if not duration_s:
            return found
        found["request_throughput"] = (completed / duration_s, "requests/sec")
        given, made = self._values.get("input_sequence_length"), self._values.get("output_sequence_length")
        if made:
            found["output_token_throughput"] = (sum(made) / duration_s, "tokens/sec")
        if given and made:
            found["total_token_throughput"] = ((sum(given) + sum(made)) / duration_s, "tokens/sec")
        return found


def _input_config(record: RunRecord, facts: Facts) -> dict[str, Any]:
    """How AIPerf would have been told to play it: its plots read model and load here.

    Without the key for what it cannot say: a null breaks its loader.
    """
    settings = record.settings
    trace = (record.summary["trace"] or {}).get("path")
    endpoint = settings.get("endpoint", "chat")
    if facts.model is None or trace is None or endpoint not in _ENDPOINTS:
        return {}
    config = {
        "models": {"items": [{"name": facts.model}]},
        "endpoint": {"urls": [settings.get("url") or _NO_URL], "type": endpoint, "streaming": True},
        "datasets": [{"name": "trace", "type": "file", "path": str(trace)}],
        "phases": [{"name": "profiling", **_phase(settings, record.summary["requests"]["sent"])}],
    }
    return {"input_config": config}


def _phase(settings: dict[str, Any], sent: int) -> dict[str, Any]:
    """By the name that AIPerf has for such a load."""
    if settings.get("concurrency") is not None:
        return {"type": "concurrency", "concurrency": settings["concurrency"], "requests": sent}
    arrivals = str(settings.get("arrivals") or "poisson").split(":")[0]
    if settings.get("rate") is not None and arrivals in _ARRIVALS:
        return {"type": arrivals, "rate": settings["rate"], "requests": sent}
    return {"type": "fixed_schedule", "requests": sent}


def _stats(values: list[float], unit: str) -> dict[str, Any]:
    spread = Spread.of(values)
    return (
        {"unit": unit, "avg": spread.mean()}
        | {f"p{percent:g}": spread.percentile(percent) for percent in PERCENTILES}
        | {"min": spread.least(), "max": spread.most(), "std": spread.std(), "count": spread.count, "sum": spread.total}
    )


def _second_gap(timeline: Timeline) -> int | None:
    return timeline.times_ns[1] - timeline.times_ns[0] if len(timeline) > 1 else None


def _ms(duration_ns: int | None) -> float | None:
    return None if duration_ns is None else duration_ns / 1e6


def _unix_ns(record: RunRecord, time_ns: int) -> int:
    return round(record.unix_s(time_ns) * NS_PER_S)


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat()
