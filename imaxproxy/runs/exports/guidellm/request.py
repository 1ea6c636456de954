"""One request as GuideLLM's statistics have it: Unix times in seconds, and what its report derives of them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from imaxproxy.metrics import Exchange, Outcome
from imaxproxy.runs.record import RunRecord

Json = dict[str, Any]
STATUSES = ("successful", "errored", "incomplete")
"""In the order of its reports."""
_STATUS = {Outcome.COMPLETED: ("successful", "completed"), Outcome.ABORTED: ("incomplete", "cancelled")}
_USAGE = (
    *("text_tokens", "cached_tokens", "text_words", "text_characters"),
    *("image_tokens", "image_count", "image_pixels", "image_bytes"),
    *("video_tokens", "video_frames", "video_seconds", "video_bytes"),
    *("audio_tokens", "audio_samples", "audio_seconds", "audio_bytes"),
    *("tool_call_tokens", "mixed_content_tool_tokens", "tool_call_count"),
)


@dataclass(frozen=True)  # no slots: derived figures are kept
class Request:
    """None is what is not known. Names of derived figures, their formulas too, are GuideLLM's."""

    request_id: str
    conversation_id: str | None
    turn_index: int
    """Its place in its conversation, from 0."""
    status: str
    """One of STATUSES."""
    scheduler_status: str
    error: str | None
    targeted_start: float | None
    request_start: float
    first_event: float | None
    first_token: float | None
    first_output_token: float | None
    last_token: float | None
    iterations: int
    """Token events."""
    request_end: float
    prompt_tokens: int | None
    cached_tokens: int | None
    counted_tokens: int | None
    """Of the output, as anybody counted them."""

    @classmethod
    def of(cls, record: RunRecord, exchange: Exchange, turn_index: int) -> "Request":
        def unix_s(time_ns: int | None) -> float | None:
            return None if time_ns is None else record.unix_s(time_ns)

        ask, timeline, usage = exchange.ask, exchange.timeline, exchange.usage
        status, scheduler_status = _STATUS.get(exchange.outcome, ("errored", "errored"))
        prompt_tokens = usage.input_tokens if usage.input_tokens is not None else ask.planned_input_tokens
        return cls(
            request_id=ask.request_id,
            conversation_id=ask.session_id,
            turn_index=turn_index,
            status=status,
            scheduler_status=scheduler_status,
            error=None if exchange.error is None else exchange.detail or exchange.error,
            targeted_start=unix_s(ask.scheduled_ns),
            request_start=record.unix_s(exchange.ask.begun_ns),
            first_event=unix_s(exchange.first_event_ns),
            first_token=unix_s(timeline.times_ns[0] if len(timeline) else None),
            first_output_token=unix_s(timeline.first_output_ns()),
            last_token=unix_s(timeline.times_ns[-1] if len(timeline) else None),
            iterations=len(timeline),
            request_end=record.unix_s(max(exchange.ended_ns, exchange.ask.begun_ns)),
            prompt_tokens=prompt_tokens,
            cached_tokens=usage.cached_tokens,
            counted_tokens=exchange.output_tokens,
        )

    @property
    def output_tokens(self) -> int | None:
        """Where nobody counted, GuideLLM takes each event for a token."""
        return self.counted_tokens if self.counted_tokens is not None else self.iterations or None

    @property
    def total_tokens(self) -> int | None:
        if self.prompt_tokens is None and self.output_tokens is None:
            return None
        return (self.prompt_tokens or 0) + (self.output_tokens or 0)

    @property
    def request_latency(self) -> float:
        return self.request_end - self.request_start

    @property
    def request_dispatch_delay(self) -> float | None:
        return None if self.targeted_start is None else self.request_start - self.targeted_start

    @property
    def request_scheduled_latency(self) -> float | None:
        return None if self.targeted_start is None else self.request_end - self.targeted_start

    @property
    def time_to_first_token_ms(self) -> float | None:
        return None if self.first_token is None else 1000 * (self.first_token - self.request_start)

    @property
    def time_to_first_output_token_ms(self) -> float | None:
        return None if self.first_output_token is None else 1000 * (self.first_output_token - self.request_start)

    @property
    def time_per_output_token_ms(self) -> float | None:
        """With the first token's wait in it, over all tokens."""
        if not self.output_tokens:
            return None
        return 1000 * ((self.last_token or self.request_end) - self.request_start) / self.output_tokens

    @property
    def inter_token_latency_ms(self) -> float | None:
        """The mean of one request: what others call TPOT."""
        if self.first_token is None or self.last_token is None or (self.output_tokens or 0) <= 1:
            return None
        return 1000 * (self.last_token - self.first_token) / ((self.output_tokens or 0) - 1)

    @property
    def tokens_per_second(self) -> float | None:
        return _over(self.total_tokens, self.request_latency)

    @property
    def output_tokens_per_second(self) -> float | None:
        return _over(self.output_tokens, self.request_latency)

    @property
    def output_tokens_per_iteration(self) -> float | None:
        return _over(self.output_tokens, self.iterations)

    @cached_property
    def iter_tokens_per_iteration(self) -> float | None:
        """Of the events after the first one, which is taken to be one token."""
        if self.output_tokens is None or self.output_tokens <= 1 or self.iterations <= 1:
            return None
        return (self.output_tokens - 1.0) / (self.iterations - 1.0)

    def as_json(self, run_start: float) -> Json:
        """With the derived figures, as GuideLLM dumps them."""
        delay = self.request_dispatch_delay
        return {
            "type_": "generative_request_stats",
            "request_id": self.request_id,
            "response_id": None,
            "request_args": None,
            "output": None,
            "reasoning_output": None,
            "tool_calls": None,
            "info": self._info(run_start),
            "input_metrics": _usage(self.prompt_tokens, self.cached_tokens),
            "response_metrics": None,
            "output_metrics": _usage(self.counted_tokens),
            "request_start_time": self.request_start,
            "request_end_time": self.request_end,
            "request_latency": self.request_latency,
            "request_dispatch_delay": delay,
            "turn_predecessor_delay": None if delay is None else 0.0,
            "turn_scheduling_delay": delay,
            "request_scheduled_latency": self.request_scheduled_latency,
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "output_tokens": self.output_tokens,
            "total_tokens": self.total_tokens,
            "time_to_first_token_ms": self.time_to_first_token_ms,
            "time_to_last_round_trip_ms": None,
            "avg_round_trip_time_ms": None,
            "time_per_output_token_ms": self.time_per_output_token_ms,
            "inter_token_latency_ms": self.inter_token_latency_ms,
            "tokens_per_second": self.tokens_per_second,
            "output_tokens_per_second": self.output_tokens_per_second,
            "time_to_first_output_token_ms": self.time_to_first_output_token_ms,
            "iter_tokens_per_iteration": self.iter_tokens_per_iteration,
            "output_tokens_per_iteration": self.output_tokens_per_iteration,
        }

    def _info(self, run_start: float) -> Json:
        """What its scheduler would have noted, as far as we have the like of it."""
        return {
            "request_id": self.request_id,
            "conversation_id": self.conversation_id,
            "history_len": 0,
            "turn_index": self.turn_index,
            "preceding_nodes": self.turn_index,
            "node_id": None,
            "agent_id": None,
            "parent_node_ids": [],
            "status": self.scheduler_status,
            "scheduler_node_id": -1,
            "scheduler_process_id": -1,
            "scheduler_start_time": run_start,
            "timings": {
                "targeted_start": self.targeted_start,
                **dict.fromkeys(("predecessor_completed", "queued", "dequeued", "scheduled_at")),
                "resolve_start": self.request_start,
                "request_start": self.request_start,
                "first_request_iteration": self.first_event,
                "first_token_iteration": self.first_token,
                "first_output_token_iteration": self.first_output_token,
                "last_token_iteration": self.last_token,
                "last_request_iteration": None,
                "request_iterations": self.iterations,
                "token_iterations": self.iterations,
                "last_request_sent": None,
                "request_sent_sum": 0.0,
                "request_sent_count": 0,
                "token_received_sum": 0.0,
                "token_received_count": 0,
                "request_end": self.request_end,
                "resolve_end": self.request_end,
                "finalized": None,
            },
            "settings": {"relative_timestamp": None, "requeue_delay": None, "trace_duration": None},
            "error": self.error,
            "traceback": None,
            "started_at": self.request_start,
            "completed_at": self.request_end,
        }


def _usage(tokens: int | None, cached_tokens: int | None = None) -> Json:
    return dict.fromkeys(_USAGE) | {"text_tokens": tokens, "cached_tokens": cached_tokens, "total_tokens": tokens}


def _over(count: int | None, divisor: float) -> float | None:
    return count / divisor if count is not None and divisor else None
