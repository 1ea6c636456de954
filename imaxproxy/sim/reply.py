"""A streamed answer as bytes: SSE events in vLLM 0.32's shape, framed as HTTP chunks, nothing serialised per token."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.sim.cut import Cutter
from imaxproxy.sim.event_text import DONE, EventText, usage_of
from imaxproxy.sim.request import CompletionRequest
from imaxproxy.sim.truth import TruthRecord
from imaxproxy.sim.words import WORD_BYTES, WORDS, text_of

UsagePolicy = Literal["asked", "final", "continuous", "never"]
"""Whether usage is sent: as the request asks, or whatever it asks."""
RoleComes = Literal["first-token", "taken-up", "admitted"]
"""When a chat's role comes: with the first token (vLLM), when its prompt is taken up, or as soon as it was read."""


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
    usage: UsagePolicy = "asked"
    role: RoleComes = "first-token"
    early_stop: float | None = None
    """Answers stop by themselves after this share of what was asked for, whatever `ignore_eos` says."""

    def stopped_early(self, request: CompletionRequest) -> CompletionRequest:
        """The request as the model ends it."""
        if self.early_stop is None:
            return request
        tokens = max(1, round(self.early_stop * request.output_tokens))
        return replace(request, output_tokens=tokens, finish_reason="stop" if request.tool is None else "tool_calls")

    def reasoning_tokens(self, request: CompletionRequest) -> int:
        """Reasoning tokens of an answer."""
        return self.reasoning_of(request.output_tokens, is_chat=request.is_chat)

    def reasoning_of(self, output_tokens: int, *, is_chat: bool) -> int:
        """Reasoning tokens of so many; at least one token is left to say."""
        return min(round(self.reasoning_share * output_tokens), output_tokens - 1) if is_chat else 0

    def sends_usage(self, request: CompletionRequest) -> bool:
        """At the end."""
        return request.include_usage if self.usage == "asked" else self.usage != "never"

    def counts_each_event(self, request: CompletionRequest) -> bool:
        """Usage so far with every event."""
        return request.continuous_usage if self.usage == "asked" else self.usage == "continuous"


class Closing:
    """What ends a stream once all its choices have ended: usage and [DONE]."""

    def __init__(self, request: CompletionRequest, text: EventText, shape: ReplyShape) -> None:
        self.says_done = text.says_done
        self._request, self._text, self._shape = request, text, shape
        self._left = request.choices

    def after(self, cached_tokens: int) -> bytes:
        """A choice has ended: nothing, or what follows the last one."""
        self._left -= 1
        if self._left:
            return b""
        request = self._request
        wants_usage = self._shape.sends_usage(request) or not self.says_done
        reasoning_tokens = self._shape.reasoning_tokens(request)
        total = usage_of(
            request, request.output_tokens * request.choices, cached_tokens, reasoning_tokens * request.choices
        )
        answer = answer_text(request, reasoning_tokens)
        final = self._text.closing(total if wants_usage else None, answer)
        return (chunk(final) if final else b"") + (chunk(DONE) if self.says_done else b"")


class StreamedReply:
    """Writes one streamed answer: one write an event, stamped before and after.

    What an event is made of is built once for each kind and size; after that an event costs two concatenations, two
    clock calls, four appends and the write.
    """

    def __init__(
        self,
        request: CompletionRequest,
        text: EventText,
        shape: ReplyShape,
        write: Callable[[bytes], object],
        record: TruthRecord,
        on_end: Callable[[], None],
        *,
        closing: Closing | None = None,
        choice: int = 0,
        cached_tokens: Callable[[], int] = lambda: 0,
        clock_ns: Clock = monotonic_ns,
    ) -> None:
        self.emitted_tokens = 0
        self.ended = False
        self.write = write
        self.record = record
        self._request, self._text, self._choice = request, text, choice
        self._closing = closing or Closing(request, text, shape)
        self._counts_each = shape.counts_each_event(request)
        self._stamp = record.events.append
        self.sent_before = 0
        """Tokens in the events before the one that is being written."""
        self._on_end = on_end
        self._cached_tokens = cached_tokens
        self._clock_ns = clock_ns
        self._cutter = Cutter(request.output_tokens, shape.reasoning_tokens(request), shape.tokens_per_event)
        self._due_tokens = 1
        self._frames: dict[tuple[bool, int], tuple[bytes, bytes]] = {}
        self._opened = False

    @property
    def is_over(self) -> bool:
        """The event that is being written is the last, or there is none left."""
        return self._cutter.is_over

    def open(self) -> None:
        """Say the role now, ahead of the first token."""
        if not self._opened:
            self._opened = True
            if opening := self._opening():
                with suppress(RuntimeError):  # as in `token`
                    self.write(chunk(opening))

    def token(self, planned_ns: int, tokens: int = 1) -> None:
        """Tokens exist since `planned_ns`. The hot path."""
        self.emitted_tokens = emitted = self.emitted_tokens + tokens
        while emitted >= self._due_tokens and not self.ended:
            data = self._next_event(emitted)
            clock_ns, stamp = self._clock_ns, self._stamp
            write_ns = clock_ns()
            try:
                is_written = self.write(data) is not False  # a fault may lose it
            except RuntimeError:  # uvloop's: the reader has left, and the request's task will be cancelled in a moment
                self.end()
                return
            if is_written:
                stamp(planned_ns), stamp(write_ns), stamp(clock_ns()), stamp(self._event_tokens)
            if self._cutter.is_over:
                self.end()

    def end(self) -> None:
        """No more will be written."""
        if not self.ended:
            self.ended = True
            self._on_end()

    def _next_event(self, emitted: int) -> bytes:
        """The bytes of the event that is due."""
        cutter = self._cutter
        self.sent_before = cutter.sent_tokens
        is_reasoning, first = cutter.is_reasoning, cutter.sent_tokens + 1
        self._event_tokens = tokens = cutter.cut(emitted)
        self._due_tokens = cutter.due_tokens
        if first == 1 or cutter.is_over or self._counts_each or not self._text.is_steady:
            return self._special_event(first, tokens, is_reasoning)
        frame = self._frames.get((is_reasoning, tokens))
        if frame is None:
            frame = self._frames[is_reasoning, tokens] = self._frame(is_reasoning, tokens)
        before, after = frame
        return before + (WORDS[first & 255] if tokens == 1 else text_of(first, tokens)) + after

    def _frame(self, is_reasoning: bool, tokens: int) -> tuple[bytes, bytes]:
        """What is around the text of an event like many: the chunk's length is the same for all of them."""
        before, after = self._text.around(self._choice, is_reasoning=is_reasoning, is_first=False, finish_reason=None)
        length = len(before) + tokens * WORD_BYTES + len(after) + len(b"}\n\n")
        return b"%x\r\n%b" % (length, before), after + b"}\n\n\r\n"

    def _special_event(self, first: int, tokens: int, is_reasoning: bool) -> bytes:
        """The first event brings the role along, the last one the end, and with continuous usage each its count."""
        is_over = self._cutter.is_over
        opening = b"" if self._opened else self._opening()  # asked first: where events are numbered, it comes first
        self._opened = True
        text = text_of(first, tokens)
        if is_over and self._request.stop_keeps_bytes is not None:
            text = text[: len(text) - WORD_BYTES + self._request.stop_keeps_bytes]
        before, after = self._text.around(
            self._choice,
            is_reasoning=is_reasoning,
            is_first=first == 1 + (0 if is_reasoning else self._cutter.reasoning_tokens),
            finish_reason=self._request.finish_reason if is_over else None,
        )
        usage = self._usage_json(first + tokens - 1) if self._counts_each else b""
        data = chunk(before + text + after + usage + b"}\n\n")
        data = (chunk(opening) if opening else b"") + data
        return data + self._closing.after(self._cached_tokens()) if is_over else data

    def _opening(self) -> bytes:
        return self._text.opening(self._choice, self._usage(0) if self._counts_each else None)

    def _usage_json(self, emitted: int) -> bytes:
        return b',"usage":' + orjson.dumps(self._usage(emitted))

    def _usage(self, emitted: int) -> dict[str, Any]:
        reasoning_tokens = min(emitted, self._cutter.reasoning_tokens)
        return usage_of(self._request, emitted, self._cached_tokens(), reasoning_tokens)


def answer_text(request: CompletionRequest, reasoning_tokens: int) -> str:
    """The text of a whole answer, cut at its stop string."""
    text = text_of(reasoning_tokens + 1, request.output_tokens - reasoning_tokens)
    if request.stop_keeps_bytes is not None:
        text = text[: len(text) - WORD_BYTES + request.stop_keeps_bytes]
    return text.decode()
