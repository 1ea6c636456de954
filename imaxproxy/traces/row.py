"""One request of a trace, whatever file format it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

OutputMode = Literal["exact", "max", "natural"]
"""exact: precisely `output_length` tokens. max: at most that many. natural: until the model stops."""

UNSAID = cast(OutputMode, "")
"""Asks TraceRow for the default of the row's kind; a row never shows it."""

MessagesMode = Literal["full", "delta"]
HashIdScope = Literal["global", "session"]

Json = dict[str, Any]
"""A JSON object that we hand on and do not look into."""

DEFAULT_BLOCK_TOKENS = 512
"""Mooncake's block (kvcache-ai/Mooncake, FAST25 release), the default of every tool that reads hash ids."""


@dataclass(frozen=True, slots=True)
class TraceRow:
    """The canonical row. What a trace does not say is None or empty; durations are ms, lengths are tokens."""

    request_id: str
    """Unique in its trace. A file that gives none gets the line number, counted from 1."""
    session_id: str | None = None
    """Rows that share it run in file order, one at a time."""
    turn: int | None = None
    """Position in the session, from 0. Informative: file order rules."""
    parent_session_id: str | None = None
    request_kind: str | None = None
    """"main", "subagent", "utility" or any other word."""
    wait_for: tuple[str, ...] = ()
    """Start only after these requests completed; empty means after the previous row of the session."""

    timestamp_ms: float | None = None
    """Intended open-loop start, from the trace's own zero."""
    delay_ms: float | None = None
    """Wait between the end of all of `wait_for` and the send: end to start, never start to start."""
    tool_wait_ms: float | None = None
    """Wait spent in tools; it comes on top of `delay_ms`."""

    input_length: int | None = None
    """Tokens of the whole prompt."""
    output_length: int | None = None
    """Tokens of the whole completion, reasoning included."""
    reasoning_length: int | None = None

    hash_ids: tuple[int, ...] = ()
    """One id for each block of the prompt; an id stands for its block and all before it."""
    block_size: int = DEFAULT_BLOCK_TOKENS
    hash_id_scope: HashIdScope = "global"
    prefix_length: int | None = None
    """Without hash ids: so many first tokens are shared within `prefix_group`, or else within the session."""
    prefix_group: str | None = None

    url: str | None = None
    method: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json | None = None
    """A full OpenAI request."""
    messages: tuple[Json, ...] = ()
    messages_mode: MessagesMode = "full"
    """full: the whole conversation. delta: what comes on top of the session's history."""
    tools: tuple[Json, ...] = ()
    prompt: str | tuple[int, ...] | None = None
    """A completions prompt: text, or token ids."""
    text_input: str | None = None
    """One user's text, for either endpoint."""
    model: str | None = None
    extra: Json = field(default_factory=dict)
    """Merged into the request's body last."""
    output_mode: OutputMode = UNSAID
    """Said by the trace, or else by its kind: exact when only lengths are given, natural when text is."""

    cancel_after_tokens: int | None = None
    """The client gives up once so many output tokens have come: load, not failure."""
    cancel_after_ms: float | None = None
    """The client gives up so long after its send; with both, whichever comes first."""

    priority: int | None = None
    tags: Json = field(default_factory=dict)
    recorded: Json = field(default_factory=dict)
    """What happened when this request was recorded: times, usage, perhaps the response."""
    unknown: Json = field(default_factory=dict)
    """Keys of the file that we do not know, kept for whoever writes the row again."""

    def __post_init__(self) -> None:
        if self.output_mode == UNSAID:
            object.__setattr__(self, "output_mode", self._default_output_mode())

    @property
    def has_content(self) -> bool:
        """Whether the row brings its own text; otherwise a prompt of `input_length` is made for it."""
        return self.body is not None or bool(self.messages) or self.prompt is not None or self.text_input is not None

    @property
    def hash_scope(self) -> str | None:
        """Whose ids these are: None for everyone's, else the session tree's (sub-agents share a system prompt)."""
        if self.hash_id_scope == "global":
            return None
        return self.parent_session_id or self.session_id

    @property
    def wait_ms(self) -> float:
        """The whole wait between the end of what it waits for and its send; 0 where the trace names none."""
        return (self.delay_ms or 0.0) + (self.tool_wait_ms or 0.0)

    def _default_output_mode(self) -> OutputMode:
        return "natural" if self.has_content or self.output_length is None else "exact"
