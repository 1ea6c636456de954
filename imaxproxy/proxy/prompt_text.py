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


def prompt_text(body: Json) -> PromptText:
    """Chat completions, completions, responses or messages; empty where there is no prompt.

    What is no text (images, audio) stands as its kind and a digest. Roles stand as `<role>`, about what a template adds.
    """
    parts = [_dumped(tool) for tool in _list(body.get("tools"))]
    for key in ("system", "instructions"):  # Anthropic's and the Responses API's place for it
        if body.get(key):
            parts.append(f"<system>{_content(body[key])}")
    if (prompt := body.get("prompt")) is not None:
        parts.append(_content(prompt))
    opening: int | None = None
    turn = 0
    asked = body.get("messages") if "messages" in body else body.get("input")
    for message in asked if isinstance(asked, list) else [asked]:
        role = str(message.get("role") or message.get("type") or "") if isinstance(message, dict) else "user"
        parts.append(_message(role, message))
        turn += role == "assistant"
        if role == "user" and opening is None:
            opening = sum(map(len, parts))
    text = "".join(parts)
    return PromptText(text, len(text) if opening is None else opening, turn)


def _message(role: str, message: object) -> str:
    if message is None:
        return ""
    if not isinstance(message, dict):
        return f"<{role}>{_content(message)}"
    said = [_content(message[key]) for key in ("content", "output", "arguments") if message.get(key)]
    calls = [_dumped(call) for call in _list(message.get("tool_calls"))]
    return f"<{role}>{''.join(said + calls)}"


def _content(content: object) -> str:
    """A text, token ids, or a list of parts."""
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
    """An image of a megabyte is some hundred tokens, not a million letters."""
    return f"<{part.get('type', 'part')} {hashlib.blake2b(_bytes(part), digest_size=8).hexdigest()}>"


def _dumped(value: object) -> str:
    return _bytes(value).decode()


def _bytes(value: object) -> bytes:
    return orjson.dumps(value)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
