"""The report that GuideLLM would have saved: what it was told, what its scheduler saw, what it measured."""

import platform
from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson

from imaxproxy.errors import UsageError
from imaxproxy.metrics import Exchange
from imaxproxy.runs.exports.facts import Facts
from imaxproxy.runs.exports.guidellm.metrics import Metrics, totals
from imaxproxy.runs.exports.guidellm.request import STATUSES, Json, Request
from imaxproxy.runs.record import RunRecord

VERSION = "0.8.1"
SCHEMA = 2
_NOT_KNOWN = -1.0
"""GuideLLM's own word for a mean that nobody has."""
_NO_URL = "http://simulated.invalid"
"""It wants one; virtual time has none, and this one resolves nowhere (RFC 2606)."""
_PHASE = {"percent": None, "value": None, "mode": "prefer_duration"}


def report(record: RunRecord, facts: Facts) -> bytes:
    """JSON, with one benchmark. Raises UsageError for a run in which nothing was measured."""
    requests = _requests(record)
    if not requests:
        raise UsageError(f"{record.directory.path} measured no request: GuideLLM's report would be empty")
    benchmark = _Benchmark(record, facts, requests)
    made = {
        "metadata": {
            "version": SCHEMA,
            "guidellm_version": VERSION,
            "python_version": platform.python_version(),
            "platform": platform.platform(),
        },
        "config": {"metadata": {"labels": _labels(record)}, "spec": benchmark.spec, "benchmarks": [None]},
        "benchmarks": [benchmark.as_json()],
        "conclusions": [],
    }
    return orjson.dumps(made, option=orjson.OPT_APPEND_NEWLINE)


def _requests(record: RunRecord) -> list[Request]:
    """In the order in which they were sent."""
    exchanges = sorted(record.exchanges(), key=lambda exchange: exchange.ask.begun_ns)
    turns: Counter[str] = Counter()
    return [Request.of(record, exchange, _turn_of(exchange, turns)) for exchange in exchanges]


def _turn_of(exchange: Exchange, turns: Counter[str]) -> int:
    session = exchange.ask.session_id
    if session is None:
        return 0
    turns[session] += 1
    return turns[session] - 1


def _labels(record: RunRecord) -> dict[str, str]:
    return {"measured_by": "imaxproxy", "simulated": str(record.simulated).lower()}


class _Benchmark:
    """One of the report's benchmarks: ours has only one."""

    def __init__(self, record: RunRecord, facts: Facts, requests: list[Request]) -> None:
        self._record, self._requests = record, requests
        self._start = min(each.request_start for each in requests)
        self._end = max(each.request_end for each in requests)
        self._strategy = _strategy(record.settings, facts)
        self._backend = {
            "kind": "openai_http",
            "target": str(record.settings.get("url") or _NO_URL).removesuffix("/v1"),
            "model": facts.model or "",
            "request_format": _request_format(record.settings),
        }

    @property
    def spec(self) -> Json:
        """How it would have been told to play this, as far as it can be."""
        return {
            "backend": self._backend,
            "profile": self._profile,
            "constraints": [{"kind": "max_requests", "count": len(self._requests)}],
            "data": [self._data],
        }

    @property
    def _data(self) -> Json:
        """The trace's file; without one, a text of the mean lengths."""
        path = (self._record.summary["trace"] or {}).get("path")
        if path is not None:
            return {"kind": "json_file", "path": str(path)}
        given, made = (
            _mean(each.prompt_tokens for each in self._requests),
            _mean(each.output_tokens for each in self._requests),
        )
        return {"kind": "synthetic_text", "prompt_tokens": given, "output_tokens": made}

    @property
    def _profile(self) -> Json:
        kind = self._strategy["type_"]
        more: dict[str, Json] = {
            "concurrent": {"streams": [self._strategy.get("streams")]},
            "constant": {"rate": [self._strategy.get("rate")]},
            "poisson": {"rate": [self._strategy.get("rate")]},
        }
        return {"kind": "replay" if kind == "trace" else kind, **more.get(kind, {})}

    def as_json(self) -> Json:
        window, schedule = (self._start, self._end), self._strategy["type_"] in {"constant", "poisson", "trace"}
        rows: dict[str, Any] = {
            status: [orjson.Fragment(self._row(each)) for each in self._requests if each.status == status]
            for status in STATUSES
        }
        return {
            "type_": "generative_benchmark",
            "config": self._config(),
            "scheduler_state": self._scheduler_state(),
            "scheduler_metrics": self._scheduler_metrics(),
            "metrics": Metrics(self._requests, window, scheduled=schedule).as_json(),
            "requests": rows | {"total": None},
            "warnings": [],
            "start_time": self._start,
            "end_time": self._end,
            "duration": self._end - self._start,
            "warmup_duration": 0.0,
            "cooldown_duration": 0.0,
        }

    def _row(self, request: Request) -> bytes:
        """Bytes at once: 100,000 of them as objects are 1.5 GB."""
        return orjson.dumps(request.as_json(self._start))

    def _config(self) -> Json:
        name = self._record.directory.path.name
        return {
            "id_": name,
            "run_id": name,
            "run_index": 0,
            "strategy": self._strategy,
            "constraints": {},
            "sample_size": None,
            "warmup": _PHASE,
            "cooldown": _PHASE,
            "prefer_response_metrics": True,
            "slo": None,
            "confidence": None,
            "warnings": [],
            "profile": self._profile,
            "requests": {},
            "backend": self._backend,
            "environment": _labels(self._record),
        }

    def _scheduler_state(self) -> Json:
        counts = totals(self._requests)
        return {
            "node_id": -1,
            "num_processes": -1,
            "start_time": self._start,
            "end_time": self._end,
            "start_requests_time": self._start,
            "end_requests_time": self._end,
            "created_requests": counts["total"],
            "processed_requests": counts["total"],
            "successful_requests": counts["successful"],
            "errored_requests": counts["errored"],
            "cancelled_requests": counts["incomplete"],
        }

    def _scheduler_metrics(self) -> Json:
        """What our player has no like of is -1: it has no queue between processes, and ends no request twice."""
        delays = [each.request_dispatch_delay for each in self._requests if each.request_dispatch_delay is not None]
        latencies = [each.request_latency for each in self._requests]
        unknown = (
            *("queued_time", "resolve_start_delay", "resolve_targeted_start_delay", "request_start_delay"),
            *("resolve_end_delay", "resolve_time", "finalized_delay", "processed_delay"),
        )
        return {
            "start_time": self._start,
            "request_start_time": self._start,
            "measure_start_time": self._start,
            "measure_end_time": self._end,
            "request_end_time": self._end,
            "end_time": self._end,
            "requests_made": totals(self._requests),
            **{f"{name}_avg": _NOT_KNOWN for name in unknown},
            "request_targeted_start_delay_avg": sum(delays) / len(delays) if delays else _NOT_KNOWN,
            "request_time_avg": sum(latencies) / len(latencies),
            "dataset_incomplete": self._record.summary["ended"] != "finished",
            "strategy_type": self._strategy["type_"],
        }


def _strategy(settings: Json, facts: Facts) -> Json:
    """By the name that GuideLLM has for such a load."""
    if facts.conc is not None:
        return {"type_": "concurrent", "streams": facts.conc}
    arrivals = str(settings.get("arrivals") or "poisson").split(":")[0]
    if settings.get("rate") is not None and arrivals == "constant":
        return {"type_": "constant", "rate": settings["rate"]}
    if settings.get("rate") is not None and arrivals == "poisson":
        return {"type_": "poisson", "rate": settings["rate"], "random_seed": settings.get("seed") or 0}
    if settings.get("speed") is not None or settings.get("rate") is not None:
        return {"type_": "trace", "time_scale": 1.0 / (settings.get("speed") or 1.0), "schedule_turn": "timestamp"}
    return {"type_": "throughput"}


def _mean(counts: Iterable[int | None]) -> int:
    """Of those known, in whole tokens; 1 at least, for GuideLLM takes no less."""
    known = [count for count in counts if count is not None]
    return max(round(sum(known) / len(known)), 1) if known else 1


def _request_format(settings: Json) -> str:
    return {"completions": "/v1/completions", "responses": "/v1/responses"}.get(
        settings.get("endpoint", "chat"), "/v1/chat/completions"
    )
