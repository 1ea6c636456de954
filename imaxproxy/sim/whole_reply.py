"""The body of an answer that is not streamed."""

from typing import Any

import orjson

from imaxproxy.sim.event_text import MARK, ResponsesText, usage_of
from imaxproxy.sim.reply import ReplyShape, answer_text
from imaxproxy.sim.request import CompletionRequest
from imaxproxy.sim.words import text_of


def whole_reply(
    request: CompletionRequest, reply_id: str, created: int, model: str, shape: ReplyShape, cached_tokens: int
) -> dict[str, Any]:
    """The object to send as JSON."""
    reasoning_tokens = shape.reasoning_tokens(request)
    usage = usage_of(
        request, request.output_tokens * request.choices, cached_tokens, reasoning_tokens * request.choices
    )
    answer = answer_text(request, reasoning_tokens)
    if request.api == "responses":
        text = ResponsesText(request, reply_id, created, model)
        part: dict[str, Any] = {"annotations": [], "text": answer, "type": "output_text", "logprobs": None}
        item = {"id": f"msg_{reply_id[5:]}", "content": [part], "role": "assistant", "status": "completed"}
        return text.finished(usage, {**item, "type": "message"})
    content = _content(request, answer, reasoning_tokens, shape)
    end = {"logprobs": None, "finish_reason": request.finish_reason, "stop_reason": request.stop_reason}
    return {
        "id": reply_id,
        "object": "chat.completion" if request.is_chat else "text_completion",
        "created": created,
        "model": model,
        "choices": [{"index": index, **content, **end} for index in range(request.choices)],
        "system_fingerprint": MARK,
        **({} if shape.usage == "never" else {"usage": usage}),
    }


def said_message(request: CompletionRequest, shape: ReplyShape, emitted_tokens: int) -> dict[str, Any] | None:
    """The assistant's message of an answer that came so far, as a client puts it into its history; None: no word yet.

    Reasoning is left out, tool calls are not.
    """
    reasoning_tokens = shape.reasoning_tokens(request)
    if emitted_tokens >= request.output_tokens:
        answer = answer_text(request, reasoning_tokens)
    else:
        answer = text_of(reasoning_tokens + 1, max(0, emitted_tokens - reasoning_tokens)).decode()
    if not answer:
        return None
    if request.tool is None:
        return {"role": "assistant", "content": answer}
    return {"role": "assistant", "content": "", "tool_calls": [_tool_call(request.tool, answer)]}


def _tool_call(name: str, answer: str) -> dict[str, Any]:
    arguments = orjson.dumps({"words": answer}).decode()
    return {"id": "call_0", "type": "function", "function": {"name": name, "arguments": arguments}}


def _content(request: CompletionRequest, answer: str, reasoning_tokens: int, shape: ReplyShape) -> dict[str, Any]:
    if not request.is_chat:
        return {"text": answer}
    message: dict[str, Any] = {"role": "assistant", "content": answer}
    message[shape.reasoning_field] = text_of(1, reasoning_tokens).decode() if reasoning_tokens else None
    if request.tool is not None:
        message |= {"content": None, "tool_calls": [_tool_call(request.tool, answer)]}
    return {"message": message}
