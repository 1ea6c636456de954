"""Turning a row into the bytes that are posted to the engine."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import orjson

from imaxproxy.errors import UsageError
from imaxproxy.traces.history import History
from imaxproxy.traces.prompt import Prompts
from imaxproxy.traces.row import Json, TraceRow

Endpoint = Literal["chat", "completions"]

EXTRAS = frozenset({"ignore_eos", "min_tokens"})
"""Fields beyond OpenAI's with which an answer is held to its length; some engines refuse a request that has them."""

PATHS: dict[Endpoint, str] = {"chat": "/v1/chat/completions", "completions": "/v1/completions"}


@dataclass(frozen=True, slots=True)
class Request:
    """One POST, ready to be sent."""

    path: str
    """Begins with /v1/; the base URL's own /v1 is not repeated."""
    body: bytes
    request_id: str
    input_tokens: int | None
    """Planned, by the trace; the engine's chat template adds some. None where the trace gives text and no count."""
    output_tokens: int | None
    """Planned, and forced. None where the engine decides when to stop, also because it takes no `ignore_eos`."""


def build_request(
    row: TraceRow,
    *,
    model: str,
    endpoint: Endpoint = "chat",
    prompts: Prompts,
    history: History | None = None,
    extras: frozenset[str] = EXTRAS,
    length_field: str = "max_tokens",
    continuous_usage: bool = False,
) -> Request:
    """Make the request of a row. `endpoint` is for rows that leave it open: lengths and `text_input`.

    The row's `body`, if any, is sent with the model replaced; else `messages`, `prompt`, `text_input`, and last a
    synthetic prompt. `history` is needed for rows whose messages are a delta. `extras` are those of EXTRAS that the
    engine takes, `length_field` its name for the most tokens of an answer. With `continuous_usage` every event is to
    tell how many tokens have come. Raises UsageError for a row that cannot be sent.
    """
    if row.method not in (None, "POST"):
        raise UsageError(f"request {row.request_id}: method {row.method} cannot be replayed; leave out all but POST")
    path, content = _content(row, endpoint, prompts, history)
    path, body = _path_of(row) or path, {**content, "model": model}
    _ask_for_stream(body, path, continuous_usage)
    _ask_for_length(body, row, length_field)
    if row.priority is not None:
        body["priority"] = row.priority
    body.update(row.extra)
    for name in EXTRAS - extras:
        body.pop(name, None)
    is_held = row.output_mode == "exact" and "ignore_eos" in extras
    return Request(
        path=path,
        body=orjson.dumps(body),
        request_id=row.request_id,
        input_tokens=len(row.prompt) if isinstance(row.prompt, tuple) else row.input_length,
        output_tokens=row.output_length if is_held else None,
    )


def _path_of(row: TraceRow) -> str:
    """The path of the row's own URL; empty where it has none."""
    try:
        path = urlsplit(row.url or "").path
    except ValueError as error:
        raise UsageError(f"request {row.request_id}: url {row.url} cannot be read ({error}); mend the trace") from error
    return path if path.startswith("/") or not path else f"/{path}"


def _content(row: TraceRow, endpoint: Endpoint, prompts: Prompts, history: History | None) -> tuple[str, Json]:
    """The path, and what of the body says what is asked."""
    if row.body is not None:
        return PATHS["completions" if "prompt" in row.body else "chat"], row.body
    if row.messages:
        return PATHS["chat"], _conversation(row, history)
    if row.prompt is not None:
        return PATHS["completions"], {"prompt": row.prompt}
    text = prompts.text(row) if row.text_input is None else row.text_input
    if endpoint == "completions":
        return PATHS["completions"], {"prompt": text}
    return PATHS["chat"], {"messages": [{"role": "user", "content": text}], **_tools(row.tools)}


def _conversation(row: TraceRow, history: History | None) -> Json:
    if history is None and row.messages_mode == "delta":
        raise UsageError(f"request {row.request_id}: its messages are a delta; replay the trace by sessions")
    messages, tools = history.advance(row) if history else (list(row.messages), row.tools)
    return {"messages": messages, **_tools(tools)}


def _tools(tools: tuple[Json, ...]) -> Json:
    return {"tools": tools} if tools else {}


def _ask_for_stream(body: Json, path: str, continuous_usage: bool) -> None:
    """Without a stream there is nothing to stamp; without usage, no count of tokens. A recorded body may say no.

    Other APIs (responses, messages) tell usage unasked, and may refuse an option that they do not know.
    """
    if body.setdefault("stream", True) and path.endswith("/completions"):
        body.setdefault(
            "stream_options", {"include_usage": True, **({"continuous_usage_stats": True} if continuous_usage else {})}
        )


def _ask_for_length(body: Json, row: TraceRow, length_field: str) -> None:
    """`ignore_eos` alone does not force a length on vLLM: other ids of generation_config's eos_token_id still stop it
    (kubernetes-sigs/inference-perf PR 497), so `min_tokens` goes with it.
    """
    if row.output_mode == "natural":
        return
    for name in ("max_completion_tokens", "max_tokens"):
        body.pop(name, None)
    body[length_field] = row.output_length
    if row.output_mode == "exact":
        body["min_tokens"] = row.output_length
        body["ignore_eos"] = True
