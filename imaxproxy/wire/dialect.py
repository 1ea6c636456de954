"""What an API's JSON means to the meter. One module for each dialect fills in `Dialect`; `dialect_of` chooses."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.metrics import Usage

NO_TOKENS = (0, "", "")
"""The reading of an event without text."""

Reading = tuple[int, str, str]
"""Of one event: kind (0 when it is no token event), its text, and the JSON key under which the text stood."""


@dataclass(slots=True)
class Facts:
    """What a response has said of itself so far; every event may add to it."""

    model: str | None = None
    finish_reason: str | None = None
    unfinished: set[int] = field(default_factory=set)
    """Choices that began and gave no finish_reason yet."""
    done: bool = False
    """The dialect's own end has come (`[DONE]`)."""
    usage: dict[str, Any] | None = None
    error: str | None = None
    """The message of an error object."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One API: how to read an event of its stream, and a whole body."""

    name: str
    read_event: Callable[[dict[str, Any], Facts], Reading]
    read_body: Callable[[dict[str, Any], Facts], None]


def note_common(message: dict[str, Any], facts: Facts) -> None:
    """Take the fields that chunks and whole bodies of every OpenAI dialect share."""
    if facts.model is None and isinstance(message.get("model"), str):
        facts.model = message["model"]
    if message.get("usage"):
        facts.usage = message["usage"]
    if message.get("error") or message.get("object") == "error":
        facts.error = error_message(message)


def note_finish(choice: dict[str, Any], facts: Facts) -> None:
    """Take a choice's finish_reason, or note that it has none yet."""
    index = choice.get("index") or 0
    if choice.get("finish_reason"):
        facts.finish_reason = choice["finish_reason"]
        facts.unfinished.discard(index)
    elif facts.finish_reason is None or index in facts.unfinished:
        facts.unfinished.add(index)


def error_message(message: dict[str, Any]) -> str:
    """The text of an error object: wrapped, flat (SGLang, TensorRT-LLM) or a bare string (vLLM)."""
    error = message.get("error")
    if isinstance(error, dict):
        return str(error.get("message") or error)
    return str(error or message.get("message") or message)


def usage_of(usage: dict[str, Any] | None) -> Usage:
    """OpenAI's usage object, with SGLang's top-level `reasoning_tokens`."""
    if usage is None:
        return Usage()
    prompt_details = usage.get("prompt_tokens_details") or {}
    completion_details = usage.get("completion_tokens_details") or {}
    reasoning_tokens = completion_details.get("reasoning_tokens")
    return Usage(
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        reasoning_tokens=usage.get("reasoning_tokens") if reasoning_tokens is None else reasoning_tokens,
        cached_tokens=prompt_details.get("cached_tokens"),
    )
