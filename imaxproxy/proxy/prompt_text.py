"""What a request asks, as one text in the order in which an engine's template renders it."""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PromptText:
    """The prompt of one request, whatever its API."""

    text: str
    opening_chars: int
    """So much of it, tools and all up to the first user message, is the same on every turn of a conversation."""
    turn: int
    """Answers that it holds already: 0 on a conversation's first turn."""


def prompt_text(body: Json) -> PromptText | None:
    """Chat completions, completions, responses or messages; None where there is no prompt that we know the form of.

    What is no text (images, audio) stands as its kind and a digest. A role stands as `<role>`: a template adds as much.
    """
    parts = [_dumped(tool) for tool in _list(body.get("tools"))]
    for key in ("system", "instructions"):  # the Messages API's place for it, and the Responses API's
        if body.get(key):
            parts.append(f"<system>{_content(body[key])}")
    asked = body.get("prompt", body.get("messages", body.get("input")))
    if not asked or not isinstance(asked, list if "messages" in body else str | list):
        return None
    if "prompt" in body:
        parts.append(_content(asked))
        return PromptText("".join(parts), sum(map(len, parts)), 0)
    opening: int | None = None
    turn = 0
    for message in asked if isinstance(asked, list) else [asked]:
        role = _role(message)
        parts.append(f"<{role}>{_said(message)}")
        turn += role == "assistant"
        if role == "user" and opening is None:
            opening = sum(map(len, parts))
    text = "".join(parts)
    return PromptText(text, len(text) if opening is None else opening, turn)


def _role(message: object) -> str:
    """Items of the Responses API that are no messages have a type only."""
    return str(message.get("role") or message.get("type") or "") if isinstance(message, dict) else "user"


def _said(message: object) -> str:
    if not isinstance(message, dict):
        return _content(message)
    said = [_content(message[key]) for key in ("content", "name", "arguments", "output") if message.get(key)]
    return "".join([*said, *[_dumped(call) for call in _list(message.get("tool_calls"))]])


def _content(content: object) -> str:
    """A text, token ids, or parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        if content and all(type(item) is int for item in content):
            return " ".join(map(str, content))
        return "".join(map(_content, content))
    if isinstance(content, dict):
        text = content.get("text", content.get("content"))
        return _content(text) if isinstance(text, str | list) else _placeholder(content)
    return "" if content is None else str(content)


def _placeholder(part: Json) -> str:
    """An image of a megabyte is some hundred tokens, not a million letters. A tool's use is what it says."""
    if part.get("type") == "tool_use":
        return _dumped(part)
    return f"<{part.get('type', 'part')} {hashlib.blake2b(orjson.dumps(part), digest_size=8).hexdigest()}>"


def _dumped(value: object) -> str:
    return orjson.dumps(value).decode()


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
