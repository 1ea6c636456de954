"""The dialect of `/v1/chat/completions`."""

from functools import partial
from typing import Any

from imaxproxy.metrics import ANSWER, REASONING, TOOL
from imaxproxy.wire.dialect import NO_TOKENS, Dialect, Facts, Reading, as_text, note_choice, note_common, usage_of


def read_event(chunk: dict[str, Any], facts: Facts) -> Reading:
    """A delta with text carries tokens: reasoning, answer, refusal or tool call. A role alone does not."""
    note_common(chunk, facts)
    reading = NO_TOKENS
    for choice in chunk.get("choices") or ():
        note_choice(choice, facts)
        if delta := choice.get("delta"):
            delta_reading = _read_delta(delta)
            if delta_reading[0]:
                reading = _joined(reading, delta_reading)
    return reading


def read_body(body: dict[str, Any], facts: Facts) -> None:
    """A whole answer: usage and finish reasons; its text is of no interest to the meter."""
    note_common(body, facts)
    for choice in body.get("choices") or ():
        note_choice(choice, facts)


def _read_delta(delta: dict[str, Any]) -> Reading:
    """All text in the delta; where reasoning ends, vLLM and SGLang put the last of it beside the first of the answer.

    TensorRT-LLM sends `content: ""` beside reasoning, SGLang `reasoning_content: null` beside content.
    """
    reading = NO_TOKENS
    if content := delta.get("content"):
        reading = ANSWER, as_text(content), "content"
    # `reasoning`: vLLM since 0.12. Where both names are sent, both hold the same text.
    for key in ("reasoning_content", "reasoning"):
        if reasoning := delta.get(key):
            reading = _joined(reading, (REASONING, as_text(reasoning), key))
            break
    if (calls := delta.get("tool_calls")) and (text := _tool_text(calls)):
        reading = _joined(reading, (TOOL, text, "tool_calls"))
    if refusal := delta.get("refusal"):
        reading = _joined(reading, (ANSWER, as_text(refusal), "refusal"))
    return reading


def _tool_text(calls: list[dict[str, Any]]) -> str:
    functions = [call.get("function") or {} for call in calls]
    parts = [function.get(key) for function in functions for key in ("name", "arguments")]
    return "".join(as_text(part) for part in parts if part)


def _joined(one: Reading, other: Reading) -> Reading:
    """Two texts in one event: both, and the kind that a reader waits for (answer before reasoning)."""
    if not one[0]:
        return other
    return max(one[0], other[0]), one[1] + other[1], ""


CHAT = Dialect("chat", read_event, read_body, partial(usage_of, one_prompt=True), usage_unasked=False)
