"""One request with its response: who asked what, when, and how it ended."""

from dataclasses import dataclass, field
from enum import StrEnum

from imaxproxy.metrics.ending import Ending, Flag, Outcome, ending_of
from imaxproxy.metrics.engine_timing import EngineTiming
from imaxproxy.metrics.timeline import Timeline


class CountedBy(StrEnum):
    """Where token counts come from, the most exact first."""

    TOKEN_IDS = "token_ids"
    """The engine sends with every event the ids of its tokens."""
    CONTINUOUS_USAGE = "continuous_usage"
    """The engine says with every event how many tokens it has sent so far."""
    USAGE = "usage"
    """The engine says the total at the end; it is shared over the events (see `wire.apportion`)."""
    TOKENIZER = "tokenizer"
    """The user's tokenizer, in the text that came: without the tokens that leave no text (the end's, say)."""
    EVENTS = "events"
    """Nobody says. Events are known, tokens are not: token metrics leave this exchange out."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the engine says it consumed, in tokens; None where it does not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None


WARMUP = "warmup"
"""The `kind` of a request that fills caches: it stands in the journal and in no metric."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The request's side. All `_ns` are one host's monotonic clock."""

    request_id: str
    path: str
    started_ns: int
    """When the player or the proxy took the request up."""
    sent_ns: int | None = None
    """t_send: the request's last byte was handed to the socket of an open connection. None: it never was."""
    scheduled_ns: int | None = None
    """t_schedule: the intended send. None in a closed loop and in the proxy, where nobody intends one."""
    connect_ns: int | None = None
    """Duration of the TCP (and TLS) connect; None on a connection used again."""
    dialect: str | None = None
    """The API that was spoken ("chat"); None for what is only passed through, which no metric counts."""
    session_id: str | None = None
    upstream: str | None = None
    """Which of several engines was asked (its URL, without keys); None where there is one only."""
    retried: str | None = None
    """Why it was put to an engine a second time (`stale_connection`, `connect_refused`, ...)."""
    client: str | None = None
    """The name of the key that the proxy's client showed; never the key."""
    client_retry: int | None = None
    """How often the client's SDK had sent this request before (`x-stainless-retry-count`), where it says so."""
    trace_id: str | None = None
    """The W3C trace that the request belongs to (`traceparent`): joins it with the engine's own spans."""
    tags: dict[str, str] | None = None
    """`X-Imax-Tag` headers: dimensions of the summary."""
    usage_asked: bool | None = None
    """The request asks for a stream's usage; None where nobody looked."""
    mutated: list[str] | None = None
    """What was changed in the request's body before the engine got it (`model`, usage options). The usage asked for is
    taken out of what the client sees; the answer's `model` stays the engine's own."""
    planned_input_tokens: int | None = None
    planned_output_tokens: int | None = None
    attempt: int | None = None
    """Which retry this is, from 1; None: the first attempt."""
    kind: str | None = None
    """WARMUP, or None for all that is measured."""

    @property
    def begun_ns(self) -> int:
        """t_send; of a request that never was sent, when it was taken up. Windows hold a request by this."""
        return self.started_ns if self.sent_ns is None else self.sent_ns


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its response, whole."""

    ask: Ask
    outcome: Outcome
    ended_ns: int
    status: int | None = None
    error: str | None = None
    """The name it is counted under (`docs/metrics.md` lists them); None when completed."""
    detail: str | None = None
    """One line for people; never part of a key."""
    first_byte_ns: int | None = None
    """The read that completed the response's head."""
    first_event_ns: int | None = None
    """The first event of a stream that has data, of whatever kind; the first token's is the Timeline's."""
    streamed: bool = False
    model: str | None = None
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    timing: EngineTiming | None = None
    """The engine's own times of this request, where it tells them."""
    counted_by: CountedBy = CountedBy.EVENTS
    timeline: Timeline = field(default_factory=lambda: Timeline(counted=False))
    simulated: bool = False
    flags: tuple[Flag, ...] = ()
    coalesced_events: int = 0
    """Token events that shared a socket read with an earlier one: their arrival is known no better than that."""

    @property
    def ending(self) -> Ending:
        """How it ended, in a word."""
        return ending_of(self.outcome, self.error, self.flags)

    @property
    def output_tokens(self) -> int | None:
        """Tokens that arrived: the engine's total, else what the events say, else None."""
        if self.usage.output_tokens is not None:
            return self.usage.output_tokens
        if len(self.timeline) and self.timeline.counted:
            return self.timeline.total_tokens
        return None

    @property
    def reasoning_tokens(self) -> int | None:
        """The engine's count when it gives one above 0 (vLLM says 0 without a parser), else that of the events."""
        if self.usage.reasoning_tokens:
            return self.usage.reasoning_tokens
        if self.timeline.counted and len(self.timeline):
            return self.timeline.reasoning_tokens
        return self.usage.reasoning_tokens
