"""A streamed answer as bytes: SSE events in vLLM 0.32's shape, framed as HTTP chunks, nothing serialised per token."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.sim.request import CompletionRequest
from imaxproxy.sim.truth import TruthRecord

WORD_BYTES = 6
DONE = b"data: [DONE]\n\n"
_PLACE = "@@text@@"


def _words() -> list[bytes]:
    """256 words of one width, each with its space: an event's length does not depend on its text."""
    consonants, vowels = "bdfgklmnprstvwyz", "aeio"
    return [
        f" {consonants[i % 16]}{vowels[i // 16 % 4]}{consonants[(i // 16 + 5 * i) % 16]}{vowels[i // 64]}n".encode()
        for i in range(256)
    ]


WORDS = _words()


def text_of(first: int, tokens: int) -> bytes:
    """The text of `tokens` tokens from number `first` on (1 is a stream's first)."""
    return b"".join([WORDS[number & 255] for number in range(first, first + tokens)])


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@dataclass(frozen=True, slots=True)
class ReplyShape:
    """How the engine cuts its answers."""

    tokens_per_event: int = 1
    reasoning_share: float = 0.0
    """Share of the tokens that come first, as reasoning (chat only)."""
    reasoning_field: str = "reasoning"

    def reasoning_tokens(self, request: CompletionRequest) -> int:
        """Reasoning tokens of an answer; at least one token is left to say."""
        return (
            min(round(self.reasoning_share * request.output_tokens), request.output_tokens - 1)
            if request.is_chat
            else 0
        )


@dataclass(frozen=True, slots=True)
class Run:
    """Events in a row that differ in their text only."""

    end_token: int
    tokens: int
    """Tokens of each event."""
    is_reasoning: bool
    is_final: bool


def event_runs(output_tokens: int, reasoning_tokens: int, tokens_per_event: int) -> Iterator[Run]:
    """Cut a stream into events as vLLM's --stream-interval does: the first token alone, then so many at a time.

    No event holds both reasoning and answer. The last event is a run of its own: it has the finish reason.
    """
    sent = 0
    for end, is_reasoning in ((reasoning_tokens, True), (output_tokens, False)):
        if sent == 0 < end:
            sent = 1
            yield Run(1, 1, is_reasoning, is_final=output_tokens == 1)
        full_events, rest = divmod(end - sent, tokens_per_event)
        if end == output_tokens and rest == 0 and full_events:
            full_events, rest = full_events - 1, tokens_per_event
        if full_events:
            sent += full_events * tokens_per_event
            yield Run(sent, tokens_per_event, is_reasoning, is_final=False)
        if rest:
            sent += rest
            yield Run(sent, rest, is_reasoning, is_final=end == output_tokens)


def usage(
    request: CompletionRequest, completion_tokens: int, cached_tokens: int, reasoning_tokens: int
) -> dict[str, Any]:
    """The usage object of a whole answer."""
    return {
        "prompt_tokens": request.prompt_tokens,
        "total_tokens": request.prompt_tokens + completion_tokens,
        "completion_tokens": completion_tokens,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens},
    }


class EventText:
    """Builds the JSON of one answer's events."""

    def __init__(
        self, request: CompletionRequest, reply_id: str, created: int, model: str, reasoning_field: str
    ) -> None:
        self._is_chat = request.is_chat
        self._reasoning_field = reasoning_field
        self._head: dict[str, Any] = {
            "id": reply_id,
            "object": "chat.completion.chunk" if request.is_chat else "text_completion",
            "created": created,
            "model": model,
        }

    def opening(self, usage: dict[str, Any] | None) -> bytes:
        """What a chat answer says before its first token: the role."""
        choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
        return self._event({"choices": [choice], **({"usage": usage} if usage else {})})

    def around_token(self, is_reasoning: bool, finish_reason: str | None) -> tuple[bytes, bytes]:
        """What stands before and after a token's text; without the object's closing brace."""
        last = {} if finish_reason is None and self._is_chat else {"stop_reason": None}
        choice = {"index": 0, **self._text(is_reasoning), "logprobs": None, "finish_reason": finish_reason, **last}
        event = orjson.dumps({**self._head, "choices": [{**choice, "token_ids": None}]})
        before, _, after = event.rpartition(_PLACE.encode())
        return b"data: " + before, after[:-1]

    def usage(self, usage: dict[str, Any]) -> bytes:
        """The event that has the usage and no choice."""
        return self._event({"choices": [], "usage": usage, "system_fingerprint": "imaxproxy-sim"})

    def _text(self, is_reasoning: bool) -> dict[str, Any]:
        if not self._is_chat:
            return {"text": _PLACE}
        return {"delta": {self._reasoning_field if is_reasoning else "content": _PLACE}}

    def _event(self, fields: dict[str, Any]) -> bytes:
        return b"data: " + orjson.dumps({**self._head, **fields}) + b"\n\n"


class StreamedReply:
    """Writes one streamed answer: one write an event, stamped before and after.

    What an event is made of is built when a run of like events begins; after that an event costs two concatenations,
    two clock calls, four appends and the write.
    """

    def __init__(
        self,
        request: CompletionRequest,
        text: EventText,
        shape: ReplyShape,
        write: Callable[[bytes], None],
        record: TruthRecord,
        on_end: Callable[[], None],
        *,
        cached_tokens: Callable[[], int] = lambda: 0,
        says_done: bool = True,
        clock_ns: Clock = monotonic_ns,
    ) -> None:
        self.emitted_tokens = 0
        self.ended = False
        self.write = write
        self._request = request
        self._text = text
        self._record = record
        self._stamp = record.events.append
        self._on_end = on_end
        self._cached_tokens = cached_tokens
        self._says_done = says_done
        self._clock_ns = clock_ns
        self._reasoning_tokens = shape.reasoning_tokens(request)
        self._runs = event_runs(request.output_tokens, self._reasoning_tokens, shape.tokens_per_event)
        self._due_token = 0
        self._next_run()

    def token(self, planned_ns: int) -> None:
        """A token exists since `planned_ns`. The hot path."""
        self.emitted_tokens = emitted = self.emitted_tokens + 1
        if emitted != self._due_token:
            return
        data = self._event(emitted)
        clock_ns, stamp = self._clock_ns, self._stamp
        write_ns = clock_ns()
        self.write(data)
        stamp(planned_ns), stamp(write_ns), stamp(clock_ns()), stamp(self._tokens)
        if emitted == self._run.end_token:
            self._next_run()
        else:
            self._due_token = emitted + self._tokens

    def end(self) -> None:
        """No more will be written."""
        if not self.ended:
            self.ended = True
            self._on_end()

    def _event(self, emitted: int) -> bytes:
        """The bytes of the event that ends with token number `emitted`."""
        tokens = self._tokens
        text = WORDS[emitted & 255] if tokens == 1 else text_of(emitted - tokens + 1, tokens)
        if emitted == 1 or self._run.is_final or self._request.continuous_usage:
            return self._special_event(emitted, text)
        return self._before + text + self._after

    def _special_event(self, emitted: int, text: bytes) -> bytes:
        """The first event brings the role along, the last one the end, and with continuous usage each its count."""
        data = chunk(self._bare_before + text + self._bare_after + self._continuous_usage(emitted) + b"}\n\n")
        if emitted == 1 and self._request.is_chat:
            data = chunk(self._text.opening(self._usage(0) if self._request.continuous_usage else None)) + data
        return data + self._closing() if self._run.is_final else data

    def _next_run(self) -> None:
        run = next(self._runs, None)
        if run is None:
            self.end()
            return
        self._run = run
        self._tokens = run.tokens
        self._due_token = self.emitted_tokens + run.tokens
        finish_reason = self._request.finish_reason if run.is_final else None
        self._bare_before, self._bare_after = self._text.around_token(run.is_reasoning, finish_reason)
        length = len(self._bare_before) + run.tokens * WORD_BYTES + len(self._bare_after) + len(b"}\n\n")
        self._before = b"%x\r\n%b" % (length, self._bare_before)
        self._after = self._bare_after + b"}\n\n\r\n"

    def _continuous_usage(self, emitted: int) -> bytes:
        return b',"usage":' + orjson.dumps(self._usage(emitted)) if self._request.continuous_usage else b""

    def _usage(self, emitted: int) -> dict[str, Any]:
        return usage(self._request, emitted, self._cached_tokens(), min(emitted, self._reasoning_tokens))

    def _closing(self) -> bytes:
        final = self._text.usage(self._usage(self._request.output_tokens)) if self._request.include_usage else b""
        return (chunk(final) if final else b"") + (chunk(DONE) if self._says_done else b"")


def whole_reply(
    request: CompletionRequest, reply_id: str, created: int, model: str, shape: ReplyShape, cached_tokens: int
) -> bytes:
    """The body of an answer that is not streamed."""
    reasoning_tokens = shape.reasoning_tokens(request)
    answer = text_of(reasoning_tokens + 1, request.output_tokens - reasoning_tokens).decode()
    choice: dict[str, Any] = {"index": 0}
    if request.is_chat:
        reasoning = text_of(1, reasoning_tokens).decode() if reasoning_tokens else None
        choice["message"] = {"role": "assistant", "content": answer, shape.reasoning_field: reasoning}
    else:
        choice["text"] = answer
    return orjson.dumps(
        {
            "id": reply_id,
            "object": "chat.completion" if request.is_chat else "text_completion",
            "created": created,
            "model": model,
            "choices": [{**choice, "logprobs": None, "finish_reason": request.finish_reason, "stop_reason": None}],
            "system_fingerprint": "imaxproxy-sim",
            "usage": usage(request, request.output_tokens, cached_tokens, reasoning_tokens),
        }
    )
