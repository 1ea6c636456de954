"""The dialect of `/v1/responses`. It has no `[DONE]`: the event whose response has a final status ends it."""

from typing import Any

from imaxproxy.metrics import ANSWER, REASONING, TOOL, Usage
from imaxproxy.wire.dialect import NO_TOKENS, Dialect, Facts, Reading, as_text, count, error_message, member

_KINDS = {
    "response.output_text.delta": ANSWER,
    "response.refusal.delta": ANSWER,
    "response.reasoning_text.delta": REASONING,
    "response.reasoning_summary_text.delta": REASONING,
    "response.function_call_arguments.delta": TOOL,
    "response.custom_tool_call_input.delta": TOOL,
    "response.mcp_call_arguments.delta": TOOL,
    "response.code_interpreter_call_code.delta": TOOL,
}
"""The events that carry text, all of them under the key `delta`. `*.done` repeats what the deltas said."""
_FINAL = frozenset({"completed", "incomplete", "failed", "cancelled"})


def read_event(event: dict[str, Any], facts: Facts) -> Reading:
    """A delta carries tokens. An event with a `response` in it may be the last: that one's status says so."""
    facts.note_order(event.get("sequence_number"))
    name = event.get("type")
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is not None:
        text = as_text(event.get("delta") or "")
        return (kind, text, "delta") if text else NO_TOKENS
    if (response := event.get("response")) is not None:
        _note_response(response, facts, named=str(name).removeprefix("response."))
    elif name == "error" or event.get("error"):  # OpenAI's event, and the bare object of vLLM
        facts.error = error_message(event)
    return NO_TOKENS


def read_body(body: dict[str, Any], facts: Facts) -> None:
    """A whole answer is one `response`."""
    _note_response(body, facts)


def usage_of(facts: Facts) -> Usage:
    """Usage stands in the last event only."""
    usage = facts.usage or {}
    return Usage(
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        reasoning_tokens=count(member(usage.get("output_tokens_details"), "reasoning_tokens")),
        cached_tokens=count(member(usage.get("input_tokens_details"), "cached_tokens")),
    )


def _note_response(response: dict[str, Any], facts: Facts, named: str = "") -> None:
    """Take what the response says of itself.

    named: what the event's name says; it counts only where no status does, for vLLM 0.32 calls a response
    `completed` that its status knows to be `incomplete`.
    """
    if facts.model is None and isinstance(response.get("model"), str):
        facts.model = response["model"]
    facts.note_usage(response.get("usage"))
    status = response.get("status") or named
    if response.get("error"):
        facts.error = error_message(response)
    if status not in _FINAL:
        return
    facts.done = True
    facts.finish_reason = str(member(response.get("incomplete_details"), "reason") or status)
    if status == "failed" and facts.error is None:
        facts.error = "the response failed, and does not say why"


RESPONSES = Dialect("responses", read_event, read_body, usage_of, usage_unasked=True)
