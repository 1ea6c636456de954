"""The dialect of `/v1/messages`, Anthropic's, as vLLM, SGLang and llama-server speak it. It ends at `message_stop`."""

from typing import Any

from imaxproxy.metrics import ANSWER, REASONING, TOOL, Usage
from imaxproxy.wire.dialect import NO_TOKENS, Dialect, Facts, Reading, as_text, count, error_message

_KINDS = {
    "text_delta": (ANSWER, "text"),
    "thinking_delta": (REASONING, "thinking"),
    "input_json_delta": (TOOL, "partial_json"),
}
"""A delta's type -> the kind of its tokens, and the key under which they stand. Signatures and citations are none."""


def read_event(event: dict[str, Any], facts: Facts) -> Reading:
    """Deltas carry tokens, as does the name of a tool that is called."""
    name = event.get("type")
    if name == "content_block_delta":
        return _read_delta(event["delta"])
    if name == "content_block_start":
        return _read_block(event["content_block"])
    if name == "message_start":
        _note_start(event["message"], facts)
    elif name == "message_delta":
        if reason := event["delta"].get("stop_reason"):
            facts.finish_reason = str(reason)
        facts.note_usage({**(facts.usage or {}), **_known(event.get("usage"))})
    elif name == "message_stop":
        facts.done = True
    elif name == "error" or event.get("error"):
        facts.error = error_message(event)
    return NO_TOKENS


def read_body(body: dict[str, Any], facts: Facts) -> None:
    """A whole message."""
    if body.get("error"):
        facts.error = error_message(body)
    if isinstance(body.get("model"), str):
        facts.model = body["model"]
    if reason := body.get("stop_reason"):
        facts.finish_reason = str(reason)
    facts.note_usage(body.get("usage"))


def usage_of(facts: Facts) -> Usage:
    """`input_tokens` leaves out what a cache gave or took: the prompt is the sum of the three."""
    usage = facts.usage or {}
    cached_tokens = count(usage.get("cache_read_input_tokens"))
    parts = [count(usage.get("input_tokens")), cached_tokens, count(usage.get("cache_creation_input_tokens"))]
    return Usage(
        input_tokens=None if parts[0] is None else sum(part or 0 for part in parts),
        output_tokens=count(usage.get("output_tokens")),
        cached_tokens=cached_tokens,
    )


def _read_delta(delta: dict[str, Any]) -> Reading:
    kind, key = _KINDS.get(delta.get("type") or "", (0, ""))
    text = as_text(delta.get(key) or "") if kind else ""
    return (kind, text, key) if text else NO_TOKENS


def _read_block(block: dict[str, Any]) -> Reading:
    """A block mostly starts empty; of a tool's the name was generated."""
    if (tool := block.get("name")) and block.get("type") == "tool_use":
        return TOOL, as_text(tool), ""
    text, thinking = as_text(block.get("text") or ""), as_text(block.get("thinking") or "")
    return (ANSWER, text, "") if text else (REASONING, thinking, "") if thinking else NO_TOKENS


def _note_start(message: dict[str, Any], facts: Facts) -> None:
    """The first usage is of the prompt. Its `output_tokens` is a placeholder, 0 or 1."""
    if facts.model is None and isinstance(message.get("model"), str):
        facts.model = message["model"]
    usage = _known(message.get("usage"))
    usage.pop("output_tokens", None)
    facts.note_usage(usage)


def _known(usage: dict[str, Any] | None) -> dict[str, Any]:
    """A later object stands over an earlier one, except where it says nothing."""
    return {key: value for key, value in (usage or {}).items() if value is not None}


MESSAGES = Dialect("messages", read_event, read_body, usage_of, usage_unasked=True)
