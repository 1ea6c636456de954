"""One captured request, as a worker writes it down: what `gather.py` makes a trace's row of.

Keys are the canonical row's, with times on the run's clock, and beside them `session`, `ended`, `prompt_bytes` and
`blocks`. What is not known is null or left out: the lengths of a request whose body nobody could read, say.
"""

from dataclasses import dataclass
from typing import Any

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.metrics import Exchange
from imaxproxy.metrics.formulas import e2e_ns, tpot_ns, ttfo_ns, ttft_ns

Json = dict[str, Any]
SOURCE = "imaxproxy serve"
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What was found in a body."""

    body: Json
    session: str
    """A digest of what the session goes by."""
    turn: int | None
    text_bytes: int
    blocks: bytes


@dataclass(frozen=True, slots=True)
class RunClock:
    """The run's start on both clocks."""

    zero_ns: int
    unix_s: float

    def ms(self, at_ns: int) -> float:
        return round((at_ns - self.zero_ns) / NS_PER_MS, 3)

    def wall_s(self, at_ns: int) -> float:
        return round(self.unix_s + (at_ns - self.zero_ns) / NS_PER_S, 3)


def captured(exchange: Exchange, prompt: Prompt | None, clock: RunClock) -> Json:
    """The row of `--capture shape`: no text. Without a prompt only what the answer says is known."""
    ask, usage = exchange.ask, exchange.usage
    body = prompt.body if prompt is not None else {}
    choices = _count(body.get("n")) or 1
    output_length = output_tokens(exchange, streamed=exchange.streamed or body.get("stream") is True)
    row = {
        "request_id": ask.request_id,
        "timestamp": clock.ms(ask.started_ns),
        "ended": clock.ms(exchange.ended_ns),
        "input_length": usage.input_tokens,
        "output_length": None if output_length is None else -(-output_length // choices),
        "reasoning_length": None if choices > 1 else exchange.reasoning_tokens,
        "model": exchange.model,
        "priority": body["priority"] if type(body.get("priority")) is int else None,
        "tags": ask.tags,
        "extra": {"n": choices} if choices > 1 else {},
        "max_tokens": next(filter(None, (_count(body.get(name)) for name in _LIMITS)), None),
        "recorded": _recorded(exchange, body, clock),
    }
    if prompt is not None:
        found = {"session": prompt.session, "turn": prompt.turn, "prompt_bytes": prompt.text_bytes}
        row |= found | {"blocks": prompt.blocks.hex()}
    return row


def output_tokens(exchange: Exchange, *, streamed: bool) -> int | None:
    """What came; by the events where nobody counts tokens. Of what is no stream only the engine's count tells."""
    return len(exchange.timeline) if exchange.output_tokens is None and streamed else exchange.output_tokens


def _recorded(exchange: Exchange, body: Json, clock: RunClock) -> Json:
    """What happened; durations in ms as in the metrics, `started_at` in unix s. Of every token event: the journal."""
    ask, usage = exchange.ask, exchange.usage
    durations_ns = {
        "ttft_ms": ttft_ns(exchange),
        "ttfo_ms": ttfo_ns(exchange),
        "tpot_ms": tpot_ns(exchange),
        "e2e_ms": e2e_ns(exchange),
    }
    used = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_tokens": usage.cached_tokens,
    }
    return _known(
        {
            "source": SOURCE,
            "path": ask.path,
            "started_at": clock.wall_s(ask.started_ns),
            "status": exchange.status,
            "outcome": exchange.outcome.value,
            "error": exchange.error,
            "finish_reason": exchange.finish_reason,
            **{name: round(each_ns / NS_PER_MS, 3) for name, each_ns in durations_ns.items() if each_ns is not None},
            "usage": _known(used),
            "output_length_by": exchange.counted_by.value,
            "stream": body.get("stream") is True if body else None,
            "simulated": True if exchange.simulated else None,
        }
    )


def _known(row: Json) -> Json:
    return {name: value for name, value in row.items() if value is not None}


def _count(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None
