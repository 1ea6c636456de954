"""The JSON of a streamed answer's events, in vLLM 0.32's shape: built once, filled with text by concatenation."""

from typing import Any, Protocol

import orjson

from imaxproxy.sim.request import CompletionRequest

DONE = b"data: [DONE]\n\n"
PLACE = "@@text@@"
MARK = "imaxproxy-sim"


class EventText(Protocol):
    """What an API dialect's stream is made of. `choice` counts the answers of one request, from 0."""

    is_steady: bool
    """Whether `around` says the same for each event of a kind, so that it need not be asked again."""
    says_done: bool
    """Whether [DONE] ends the stream."""

    def opening(self, choice: int, usage: dict[str, Any] | None) -> bytes:
        """What stands before the first token's event."""

    def around(
        self, choice: int, *, is_reasoning: bool, is_first: bool, finish_reason: str | None
    ) -> tuple[bytes, bytes]:
        """What stands before and after the text of an event; without the object's closing brace."""

    def closing(self, usage: dict[str, Any] | None, text: str) -> bytes:
        """What comes after the last token's event of all choices; `usage` where it was asked for."""


def usage_of(
    request: CompletionRequest, completion_tokens: int, cached_tokens: int, reasoning_tokens: int
) -> dict[str, Any]:
    """The usage object of an answer."""
    return {
        "prompt_tokens": request.prompt_tokens,
        "total_tokens": request.prompt_tokens + completion_tokens,
        "completion_tokens": completion_tokens,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens},
    }


class CompletionText:
    """Chat completions and completions."""

    is_steady = True
    says_done = True

    def __init__(
        self, request: CompletionRequest, reply_id: str, created: int, model: str, reasoning_field: str
    ) -> None:
        self._request = request
        self._reasoning_field = reasoning_field
        self._head: dict[str, Any] = {
            "id": reply_id,
            "object": "chat.completion.chunk" if request.is_chat else "text_completion",
            "created": created,
            "model": model,
        }

    def opening(self, choice: int, usage: dict[str, Any] | None) -> bytes:
        """A chat answer's role."""
        if not self._request.is_chat:
            return b""
        delta = {"role": "assistant", "content": ""}
        fields = {"index": choice, "delta": delta, "logprobs": None, "finish_reason": None}
        return self._event({"choices": [fields], **({"usage": usage} if usage else {})})

    def around(
        self, choice: int, *, is_reasoning: bool, is_first: bool, finish_reason: str | None
    ) -> tuple[bytes, bytes]:
        """See `EventText.around`. A tool call's first event names it and opens its arguments, its last closes them."""
        is_chat = self._request.is_chat
        last = {} if finish_reason is None and is_chat else {"stop_reason": self._request.stop_reason}
        fields = {
            "index": choice,
            **self._text(is_reasoning, is_first, finish_reason),
            "logprobs": None,
            "finish_reason": finish_reason,
            **last,
        }
        event = orjson.dumps({**self._head, "choices": [{**fields, "token_ids": None}]})
        before, _, after = event.rpartition(PLACE.encode())
        return b"data: " + before, after[:-1]

    def closing(self, usage: dict[str, Any] | None, _text: str) -> bytes:
        """The event that has the usage and no choice."""
        return self._event({"choices": [], "usage": usage, "system_fingerprint": MARK}) if usage else b""

    def _text(self, is_reasoning: bool, is_first: bool, finish_reason: str | None) -> dict[str, Any]:
        if not self._request.is_chat:
            return {"text": PLACE}
        if is_reasoning or self._request.tool is None:
            return {"delta": {self._reasoning_field if is_reasoning else "content": PLACE}}
        opened, closed = '{"words":"' if is_first else "", '"}' if finish_reason else ""
        call: dict[str, Any] = {"index": 0, "function": {"arguments": f"{opened}{PLACE}{closed}"}}
        if is_first:
            call = {"id": f"call_{self._head['id'][-24:]}", "type": "function", **call}
            call["function"] = {"name": self._request.tool, **call["function"]}
        return {"delta": {"tool_calls": [call]}}

    def _event(self, fields: dict[str, Any]) -> bytes:
        return b"data: " + orjson.dumps({**self._head, **fields}) + b"\n\n"


class ResponsesText:
    """The Responses API: named events with running numbers; no [DONE]. One output item, a message."""

    is_steady = False
    says_done = False

    def __init__(self, request: CompletionRequest, reply_id: str, created: int, model: str) -> None:
        self._request = request
        self._item_id = f"msg_{reply_id[5:]}"
        self._response: dict[str, Any] = {
            "id": reply_id,
            "created_at": created,
            "incomplete_details": None,
            "model": model,
            "object": "response",
            "output": [],
            "max_output_tokens": request.output_tokens,
            "status": "in_progress",
            "usage": None,
        }
        self._number = -1

    def opening(self, _choice: int, _usage: dict[str, Any] | None) -> bytes:
        """Four events before the first delta."""
        item = {"id": self._item_id, "content": [], "role": "assistant", "status": "in_progress", "type": "message"}
        part: dict[str, Any] = {"annotations": [], "text": "", "type": "output_text", "logprobs": []}
        place = {"item_id": self._item_id, "output_index": 0, "content_index": 0}
        return b"".join(
            (
                self._event("response.created", {"response": self._response}),
                self._event("response.in_progress", {"response": self._response}),
                self._event("response.output_item.added", {"output_index": 0, "item": item}),
                self._event("response.content_part.added", {**place, "part": part}),
            )
        )

    def around(
        self, choice: int, *, is_reasoning: bool, is_first: bool, finish_reason: str | None
    ) -> tuple[bytes, bytes]:
        """A delta; its number runs, so it is built for each event."""
        del choice, is_first, finish_reason  # one choice, and a delta does not say whether it is the first or the last
        event = self._event(
            f"response.{'reasoning' if is_reasoning else 'output'}_text.delta",
            {
                "content_index": 0,
                "delta": PLACE,
                "item_id": self._item_id,
                "logprobs": [],
                "output_index": 0,
            },
        )
        before, _, after = event.rpartition(PLACE.encode())
        return before, after[: -len(b"}\n\n")]

    def closing(self, usage: dict[str, Any] | None, text: str) -> bytes:
        """What a Responses stream says when its text is whole."""
        assert usage is not None  # the Responses API always says it
        part: dict[str, Any] = {"annotations": [], "text": text, "type": "output_text", "logprobs": None}
        item = {"id": self._item_id, "content": [part], "role": "assistant", "status": "completed", "type": "message"}
        place = {"item_id": self._item_id, "output_index": 0, "content_index": 0}
        return b"".join(
            (
                self._event("response.output_text.done", {**place, "logprobs": [], "text": text}),
                self._event("response.content_part.done", {**place, "part": part}),
                self._event("response.output_item.done", {"output_index": 0, "item": item}),
                self._event("response.completed", {"response": self.finished(usage, item)}),
            )
        )

    def finished(self, usage: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
        """The whole response. A cut one says so in its status: vLLM 0.32 names its last event as for a complete one."""
        is_cut = self._request.finish_reason == "length"
        return {
            **self._response,
            "status": "incomplete" if is_cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "output": [item],
            "usage": responses_usage(usage),
        }

    def _event(self, kind: str, fields: dict[str, Any]) -> bytes:
        self._number += 1
        body = orjson.dumps({**fields, "sequence_number": self._number, "type": kind})
        return b"event: " + kind.encode() + b"\ndata: " + body + b"\n\n"


def responses_usage(usage: dict[str, Any]) -> dict[str, Any]:
    """The same counts under the Responses API's names."""
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": usage["prompt_tokens_details"],
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": usage["completion_tokens_details"],
        "total_tokens": usage["total_tokens"],
    }
