"""Salting the text that a trace brings: a mark before the first user turn makes a conversation new to every cache.

What stands before that turn, system prompt and tools, stays shared between conversations (AIPerf's cache bust
`first_turn_prefix`, which InferenceX's AgentX prescribes). Prompts made of words are salted by `Prompts` already.
"""

import hashlib
from dataclasses import replace
from typing import Any

from imaxproxy.traces.row import Json, TraceRow


class TextSalt:
    """Marks rows; hand in those of a session in their order."""

    def __init__(self, salt: str) -> None:
        self._salt = salt
        self._begun: set[str] = set()
        """Sessions of deltas whose first user turn was marked: it stays in their history."""

    def marked(self, row: TraceRow, tree: str) -> TraceRow:
        """The row with the mark of its session tree; one without text, or of token ids, as it is."""
        if not row.has_content:
            return row
        if row.messages_mode == "delta" and row.session_id is not None:
            if row.session_id in self._begun:
                return row
            self._begun.add(row.session_id)
        elif row.session_id is not None and row.messages:
            self._begun.add(row.session_id)  # deltas that follow build on it
        mark = f"[{hashlib.blake2b(f'{self._salt}/{tree}'.encode(), digest_size=6).hexdigest()}] "
        return replace(row, **_marked(row, mark))


def _marked(row: TraceRow, mark: str) -> dict[str, Any]:
    """The fields that change."""
    if row.body is not None:
        return {"body": _marked_body(row.body, mark)}
    if row.messages:
        return {"messages": tuple(_marked_messages(list(row.messages), mark))}
    if isinstance(row.prompt, str):
        return {"prompt": mark + row.prompt}
    return {} if row.text_input is None else {"text_input": mark + row.text_input}


def _marked_body(body: Json, mark: str) -> Json:
    if isinstance(messages := body.get("messages"), list):
        return {**body, "messages": _marked_messages(messages, mark)}
    for name in ("prompt", "input"):
        if isinstance(text := body.get(name), str):
            return {**body, name: mark + text}
    return body


def _marked_messages(messages: list[Any], mark: str) -> list[Any]:
    """With the mark before the first user's text."""
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") != "user":
            continue
        content = message.get("content")
        if isinstance(content, str):
            return [*messages[:place], {**message, "content": mark + content}, *messages[place + 1 :]]
        if isinstance(content, list):
            parts = [{"type": "text", "text": mark.strip()}, *content]
            return [*messages[:place], {**message, "content": parts}, *messages[place + 1 :]]
    return messages
