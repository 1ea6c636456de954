"""The dialect of `/v1/chat/completions`."""

from typing import Any

from imaxproxy.metrics import ANSWER, REASONING, TOOL
from imaxproxy.wire.dialect import NO_TOKENS, Dialect, Facts, Reading, note_common, note_finish


def read_event(chunk: dict[str, Any], facts: Facts) -> Reading:
    """A delta with text carries tokens: reasoning, answer, refusal or tool call. A role alone does not."""
    note_common(chunk, facts)
    reading = NO_TOKENS
    for choice in chunk.get("choices") or ():
        note_finish(choice, facts)
        delta_reading = _read_delta(choice.get("delta") or {})
        if delta_reading[0]:
            reading = _joined(reading, delta_reading)
    return reading


def read_body(body: dict[str, Any], facts: Facts) -> None:
    """A whole answer: usage and finish reasons; its text is of no interest to the meter."""
    note_common(body, facts)
    for choice in body.get("choices") or ():
        note_finish(choice, facts)


def _read_delta(delta: dict[str, Any]) -> Reading:
    # TensorRT-LLM sends `content: ""` beside reasoning, SGLang `reasoning_content: null` beside content.
    if content := delta.get("content"):
        return ANSWER, content, "content"
    if delta.get("tool_calls"):
        return TOOL, _tool_text(delta["tool_calls"]), "tool_calls"
    if reasoning := delta.get("reasoning_content"):
        return REASONING, reasoning, "reasoning_content"
    if reasoning := delta.get("reasoning"):  # vLLM since 0.12
        return REASONING, reasoning, "reasoning"
    if refusal := delta.get("refusal"):
        return ANSWER, refusal, "refusal"
    return NO_TOKENS


def _tool_text(calls: list[dict[str, Any]]) -> str:
    functions = [call.get("function") or {} for call in calls]
    return "".join((function.get("name") or "") + (function.get("arguments") or "") for function in functions)


def _joined(one: Reading, other: Reading) -> Reading:
    """Two choices in one event: text of both, and the kind that a reader waits for (answer before reasoning)."""
    if not one[0]:
        return other
    return max(one[0], other[0]), one[1] + other[1], ""


CHAT = Dialect("chat", read_event, read_body)
