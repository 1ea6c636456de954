"""The dialect of `/v1/completions`."""

from functools import partial
from typing import Any

from imaxproxy.metrics import ANSWER
from imaxproxy.wire.dialect import NO_TOKENS, Dialect, Facts, Reading, as_text, note_choice, note_common, usage_of


def read_event(chunk: dict[str, Any], facts: Facts) -> Reading:
    """A chunk carries tokens when a choice holds text."""
    note_common(chunk, facts)
    texts = []
    for choice in chunk.get("choices") or ():
        note_choice(choice, facts)
        if text := choice.get("text"):
            texts.append(as_text(text))
    if not texts:
        return NO_TOKENS
    return ANSWER, "".join(texts), "text" if len(texts) == 1 else ""


def read_body(body: dict[str, Any], facts: Facts) -> None:
    """A whole answer: usage and finish reasons."""
    note_common(body, facts)
    for choice in body.get("choices") or ():
        note_choice(choice, facts)


COMPLETIONS = Dialect("completions", read_event, read_body, partial(usage_of, one_prompt=False), usage_unasked=False)
