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

    What an event is made of is built once for each kind and size; after that an event of one token, the usual one,
    costs two concatenations, two clock calls, one `fromlist` and the write.
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
        may_be_plain: bool = True,
        clock_ns: Clock = monotonic_ns,
    ) -> None:
        """`may_be_plain`: nobody looks at single events before they are written, as a fault does."""
        self.emitted_tokens = 0
        self.ended = False
        self.write = write
        self.record = record
        self._request, self._text, self._choice = request, text, choice
        self._closing = closing or Closing(request, text, shape)
        self._counts_each = shape.counts_each_event(request)
        self._stamp = record.events.fromlist
        self.sent_before = 0
        """Tokens in the events before the one that is being written."""
        self._on_end = on_end
        self._cached_tokens = cached_tokens
        self._clock_ns = clock_ns
        self._cutter = Cutter(request.output_tokens, shape.reasoning_tokens(request), shape.tokens_per_event)
        self._due_tokens = 1
        self._frames: dict[tuple[bool, int], tuple[bytes, bytes]] = {}
        self._opened = False
        self._is_plain = may_be_plain and shape.tokens_per_event == 1 and text.is_steady and not self._counts_each
        self._plain_until = 0
        """Below this token's number an event holds one token and nothing special: see `_begin_plain`."""
        self._before = self._after = b""

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
        if emitted >= self._plain_until or tokens != 1:
            self._tokens(planned_ns, emitted, tokens)
            return
        data = self._before + WORDS[emitted & 255] + self._after
        clock_ns = self._clock_ns
        write_ns = clock_ns()
        try:
            self.write(data)
        except RuntimeError:  # the reader has left, and the request's task will be cancelled in a moment
            self.end()
            return
        self._stamp([planned_ns, write_ns, clock_ns(), 1])

    def _tokens(self, planned_ns: int, emitted: int, tokens: int) -> None:
        """The events that are due, whatever they hold."""
        if self._plain_until:
            self._plain_until = 0
            self._cutter.skip_to(emitted - tokens)
            self._due_tokens = self._cutter.due_tokens
        while emitted >= self._due_tokens and not self.ended:
            data = self._next_event(emitted)
            write_ns = self._clock_ns()
            try:
                is_written = self.write(data) is not False  # a fault may lose it
            except RuntimeError:  # as in `token`
                self.end()
                return
            if is_written:
                self._stamp([planned_ns, write_ns, self._clock_ns(), self._event_tokens])
            if self._cutter.is_over:
                self.end()
        if self._is_plain and not self.ended:
            self._begin_plain(emitted)

    def _begin_plain(self, emitted: int) -> None:
        """From the next token on, events are all alike up to the last of their kind, which `_tokens` makes."""
        cutter = self._cutter
        if emitted == cutter.sent_tokens != cutter.reasoning_tokens and cutter.part_end > emitted + 1:
            self._before, self._after = self._frame_of(cutter.is_reasoning, 1)
            self._plain_until = cutter.part_end

    def end(self) -> None:
        """No more will be written."""
        if not self.ended:
            self.ended = True
            self._plain_until = 0
            self._on_end()

    def _next_event(self, emitted: int) -> bytes:
        """The bytes of the event that is due."""
        cutter = self._cutter
        self.sent_before = cutter.sent_tokens
        is_reasoning, first = cutter.is_reasoning, cutter.sent_tokens + 1
        self._event_tokens = tokens = cutter.cut(emitted)
        self._due_tokens = cutter.due_tokens
        is_first = first in (1, cutter.reasoning_tokens + 1)
        if is_first or cutter.is_over or self._counts_each or not self._text.is_steady:
            return self._special_event(first, tokens, is_reasoning)
        before, after = self._frame_of(is_reasoning, tokens)
        return before + text_of(first, tokens) + after

    def _frame_of(self, is_reasoning: bool, tokens: int) -> tuple[bytes, bytes]:
        frame = self._frames.get((is_reasoning, tokens))
        if frame is None:
            frame = self._frames[is_reasoning, tokens] = self._frame(is_reasoning, tokens)
        return frame

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
