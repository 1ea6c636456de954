"""How engines differ behind one API: what each takes in a request, and how its answers look. One row an engine.

Seen in recorded answers of 23 Nov 2026 (tests/data/wire); TensorRT-LLM's row is by its own protocol definitions.
"""

from dataclasses import dataclass
from typing import Literal

Takes = Literal["heeded", "ignored", "refused"]
"""A field of a request: does what it says, does nothing, or makes the request fail."""
ErrorForm = Literal["nested", "flat", "detail"]
"""{"error": {"message", ..}}, {"message", ..} or {"detail": ..}; any of them may also come as a bare text."""
UsagePlace = Literal["own event", "finish event", "nowhere"]
"""Where a stream tells its token counts, once asked."""
LengthField = Literal["max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDialect:
    """One engine."""

    name: str
    owned_by: tuple[str, ...] = ()
    """What its /v1/models says, by which it is known."""
    ignore_eos: Takes
    min_tokens: Takes
    continuous_usage: Takes
    unknown_field: Takes
    unknown_model: Takes
    length_field: LengthField = "max_tokens"
    reasoning_key: str | None
    """Of a delta; None: it does not tell reasoning apart."""
    usage: UsagePlace
    error_form: ErrorForm
    ends_with_done: bool
    """A stream of chat or text completions closes with [DONE]."""

    @property
    def extras(self) -> frozenset[str]:
        """Fields beyond OpenAI's that may be sent: those that do not make the request fail."""
        takes = {"ignore_eos": self.ignore_eos, "min_tokens": self.min_tokens}
        return frozenset(name for name, how in takes.items() if how != "refused")

    @property
    def holds_lengths(self) -> bool:
        """An answer can be made to be of an exact length."""
        return self.ignore_eos == "heeded"


VLLM = EngineDialect(
    name="vllm",
    owned_by=("vllm", "imaxproxy-sim"),
    ignore_eos="heeded",
    min_tokens="heeded",
    continuous_usage="heeded",
    unknown_field="ignored",
    unknown_model="refused",
    reasoning_key="reasoning",
    usage="own event",
    error_form="nested",
    ends_with_done=True,
)
SGLANG = EngineDialect(
    name="sglang",
    owned_by=("sglang",),
    ignore_eos="heeded",
    min_tokens="heeded",
    continuous_usage="heeded",
    unknown_field="ignored",
    unknown_model="ignored",
    reasoning_key="reasoning_content",
    usage="own event",
    error_form="flat",
    ends_with_done=True,
)
TRTLLM = EngineDialect(
    name="trtllm",
    owned_by=("tensorrt_llm",),
    ignore_eos="heeded",
    min_tokens="heeded",
    continuous_usage="heeded",
    unknown_field="refused",
    unknown_model="ignored",
    reasoning_key="reasoning_content",
    usage="own event",
    error_form="flat",
    ends_with_done=True,
)
DYNAMO = EngineDialect(
    name="dynamo",
    owned_by=("nvidia",),
    ignore_eos="heeded",
    min_tokens="heeded",
    continuous_usage="heeded",
    unknown_field="refused",
    unknown_model="refused",
    reasoning_key="reasoning_content",
    usage="own event",
    error_form="flat",
    ends_with_done=True,
)
LLAMACPP = EngineDialect(
    name="llamacpp",
    owned_by=("llamacpp",),
    ignore_eos="heeded",
    min_tokens="ignored",
    continuous_usage="ignored",
    unknown_field="ignored",
    unknown_model="ignored",
    reasoning_key="reasoning_content",
    usage="own event",
    error_form="nested",
    ends_with_done=True,
)
TRANSFORMERS = EngineDialect(
    name="transformers",
    ignore_eos="refused",
    min_tokens="refused",
    continuous_usage="ignored",
    unknown_field="refused",
    unknown_model="refused",
    reasoning_key=None,
    usage="finish event",
    error_form="detail",
    ends_with_done=False,
)
UNKNOWN = EngineDialect(
    name="unknown",
    ignore_eos="refused",
    min_tokens="refused",
    continuous_usage="refused",
    unknown_field="refused",
    unknown_model="refused",
    reasoning_key=None,
    usage="own event",
    error_form="nested",
    ends_with_done=True,
)
"""The safe set: what OpenAI documents, and nothing else."""

ENGINE_DIALECTS: dict[str, EngineDialect] = {
    dialect.name: dialect for dialect in (VLLM, SGLANG, TRTLLM, DYNAMO, LLAMACPP, TRANSFORMERS, UNKNOWN)
}


def known_dialect(owned_by: object) -> EngineDialect | None:
    """The engine whose /v1/models says so; None for one that we do not know."""
    return next((dialect for dialect in ENGINE_DIALECTS.values() if owned_by in dialect.owned_by), None)
