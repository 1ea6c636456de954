"""Ask an engine for a token: the one sign of readiness that no engine gives too early."""

import contextlib
import http.client
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

_CHAT, _COMPLETIONS = "/v1/chat/completions", "/v1/completions"
_WORDS = ("river", "window", "copper", "engine", "yellow", "market", "garden", "winter")


class RefusedError(Exception):
    """The engine answered, and not with a token."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where an engine listens, and the name it serves its model under."""

    host: str
    port: int
    model: str


def page(door: Door, path: str, timeout_s: float) -> bytes | None:
    """The page's body; None when it does not answer 200."""
    connection = http.client.HTTPConnection(door.host, door.port, timeout=timeout_s)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            return None
        return body if answer.status == http.HTTPStatus.OK else None


def names_model(body: bytes) -> bool:
    """Whether a /v1/models page lists a model at all."""
    try:
        listed = json.loads(body)["data"]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(listed)


def first_token_s(door: Door, timeout_s: float, *, tokens: int = 4, words: str = "Hello") -> float:
    """Stream a short answer to its end; seconds to its first token.

    A model without a chat template is asked for a completion. Raises RefusedError with what the engine said, OSError
    when it broke off or was silent for `timeout_s`.
    """
    chat = {"messages": [{"role": "user", "content": words}]}
    try:
        return _stream(door, _CHAT, chat, tokens, timeout_s)
    except RefusedError as error:
        if "chat template" not in str(error).replace("_", " ").lower():
            raise
        return _stream(door, _COMPLETIONS, {"prompt": words}, tokens, timeout_s)


def warm_up(door: Door, rounds: Sequence[int], timeout_s: float, *, tokens: int = 32) -> None:
    """Requests that nobody measures, so many at once in each round: engines compile on the first ones, some for each
    new number of streams. No two prompts begin alike, so that nothing but these is left in a prefix cache. Raises as
    `first_token_s`."""
    asked = 0
    for streams in rounds:
        prompts = [f"{number} {' '.join(_WORDS)}" for number in range(asked, asked + streams)]
        asked += streams
        with ThreadPoolExecutor(streams) as pool:
            for _ in pool.map(lambda words: first_token_s(door, timeout_s, tokens=tokens, words=words), prompts):
                pass


def _stream(door: Door, path: str, question: dict[str, Any], tokens: int, timeout_s: float) -> float:
    body = json.dumps({"model": door.model, **question, "max_tokens": tokens, "stream": True}).encode()
    connection = http.client.HTTPConnection(door.host, door.port, timeout=timeout_s)
    with contextlib.closing(connection):
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        sent_s = time.monotonic()
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise RefusedError(f"{path} answered {answer.status}: {answer.read(2000).decode(errors='replace')}")
        first_s = None
        for event in _events(answer):
            if first_s is None and _has_token(event):
                first_s = time.monotonic() - sent_s
    if first_s is None:
        raise RefusedError(f"{path} answered 200 and ended without a token")
    return first_s


def _events(answer: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    for line in answer:
        data = line.removeprefix(b"data:").strip()
        if not line.startswith(b"data:") or data == b"[DONE]":
            continue
        try:
            event = json.loads(data)
        except ValueError:
            raise RefusedError(f"an event that is not JSON: {data[:200]!r}") from None
        if "error" in event:
            raise RefusedError(f"an error in the stream: {json.dumps(event['error'])[:500]}")
        yield event


def _has_token(event: dict[str, Any]) -> bool:
    """Text of any kind, or an end: a token may be half of a character and have no text yet."""
    for choice in event.get("choices") or ():
        delta = choice.get("delta") or {}
        texts = (choice.get("text"), delta.get("content"), delta.get("reasoning"), delta.get("reasoning_content"))
        if any(texts) or delta.get("tool_calls") or choice.get("finish_reason"):
            return True
    return False
