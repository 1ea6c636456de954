"""One response as it arrives: reads and their times in, the finished Exchange out. Knows no socket.

Its owner, a Protocol of the proxy or of the player, stamps a read and appends it to `times_ns` and `reads`; the bytes
are looked at later, in batches, by `digest`. `due` says which reads must not wait: those that may end the body, and
those that are so large that holding a batch of them would cost memory.
"""

from array import array
from bisect import bisect_left
from itertools import accumulate, cycle

import orjson

from imaxproxy.errors import WireError
from imaxproxy.metrics import Ask, CountedBy, Exchange, Outcome, Timeline, mark
from imaxproxy.wire.apportion import apportion
from imaxproxy.wire.dialect import Dialect, Facts, Reading, error_message, one_line, usage_of
from imaxproxy.wire.framing import Chunked, Framing, Length, UntilClose
from imaxproxy.wire.head import ResponseHead
from imaxproxy.wire.sse import EventSplitter, event_data
from imaxproxy.wire.template import Template, learn

BATCH_READS = 16
"""So many reads, or up to twice as many, are held before they are looked at: few enough to stay in the cache."""
LONG_READ_BYTES = 4096
SHORT_READ_BYTES = 8
"""The chunked terminator's last bytes may come alone; nothing else is that short."""
BODY_LIMIT_BYTES = 16 << 20
"""Of a body that is not a stream, more than this is relayed but not read for usage."""
_BATCHES = cycle(range(BATCH_READS, 2 * BATCH_READS))
_DONE = b"[DONE]"
_Sample = tuple[bytes, int, str, str]
"""A read, and the reading of the one event in it."""
CUT_SHORT = frozenset({"cut", "reset", "timeout", "timeout_idle", "timeout_total"})
"""Ways in which a connection ends an answer before its time; other WireErrors mean bytes that nobody can read."""
CUT_BY_ENGINE = frozenset({"abort", "error"})
"""Finish reasons that are no end of an answer: SGLang and vLLM gave the request up themselves."""


def due(data: bytes, waiting: int, batch_reads: int = BATCH_READS) -> bool:
    """Must this read be digested at once? Written out in the hot paths, kept here as their definition."""
    return (
        data[-4:] == b"\r\n\r\n"  # the chunked terminator, or an engine that ends lines in CRLF
        or waiting >= batch_reads
        or not SHORT_READ_BYTES <= len(data) <= LONG_READ_BYTES
    )


class Reception:
    """Everything the meter learns from one response."""

    __slots__ = (
        "_body",
        "_chars",
        "_continuous",
        "_dialect",
        "_event_times_ns",
        "_facts",
        "_framing",
        "_head",
        "_kinds",
        "_malformed",
        "_splitter",
        "_streamed",
        "_template",
        "_tokens",
        "_tokens_so_far",
        "_too_long",
        "batch_reads",
        "first_byte_ns",
        "reads",
        "times_ns",
    )

    def __init__(self, head: ResponseHead, first_byte_ns: int, dialect: Dialect | None, method: str = "POST") -> None:
        """Raises WireError when the head names a framing we do not know."""
        self._head = head
        self._framing: Framing = head.framing(method)
        self._dialect = dialect
        self._streamed = dialect is not None and head.content_type == b"text/event-stream"
        self.first_byte_ns = first_byte_ns
        # Reads that may wait. A body of known length may end with any of them, and nothing in its bytes says so. Of
        # streams some wait for more reads than others: a step feeds all at once, and all would be digested at once.
        self.batch_reads = 1 if isinstance(self._framing, Length) else next(_BATCHES)
        self.times_ns: list[int] = []
        self.reads: list[bytes] = []
        self._splitter = EventSplitter()
        self._template: Template | None = None
        self._facts = Facts()
        self._malformed: str | None = None
        self._body = bytearray()
        self._too_long = False  # the body is over BODY_LIMIT_BYTES and was not kept
        # The Timeline in the making, 13 bytes a token event (17 with continuous usage).
        self._event_times_ns = array("q")
        self._chars = array("i")
        self._kinds = bytearray()
        self._tokens = array("i")
        self._continuous = True  # every token event so far brought a usage object
        self._tokens_so_far = 0

    @property
    def done(self) -> bool:
        """The body's last byte was digested."""
        return self._framing.done

    @property
    def keep_alive(self) -> bool:
        """The connection can carry another request once `done`."""
        return self._head.keep_alive

    @property
    def _refused(self) -> bool:
        """The status says that this is no answer; a redirect, too, is none to a question."""
        return self._head.status >= (400 if self._dialect is None else 300)

    @property
    def token_events(self) -> int:
        """Token events digested so far."""
        return len(self._event_times_ns)

    def digest(self) -> None:
        """Look at what was read since the last time. Raises WireError when the framing or the stream is broken."""
        if not self.reads:
            return
        times_ns, reads = self.times_ns.copy(), self.reads.copy()
        self.times_ns.clear()  # the owner holds these very lists
        self.reads.clear()
        if not self._streamed:
            for data in reads:
                self._keep_body(self._framing.feed(data))
        elif not self._digest_fast(times_ns, reads):
            sample: _Sample | None = None
            for at_ns, data in zip(times_ns, reads, strict=True):
                sample = self._digest_fully(at_ns, data) or sample
            if sample is not None:  # once a batch: the next one will look like this one's end
                self._template = learn(*sample, chunked=isinstance(self._framing, Chunked)) or self._template

    def at_eof(self, *, reset: bool) -> WireError | None:
        """What it means that the connection ends here: nothing, when the end is the body's own."""
        if self.done or (isinstance(self._framing, UntilClose) and not reset):
            return None
        return WireError("reset" if reset else "cut", "the connection ended inside the response")

    def close(self, ask: Ask, ended_ns: int, broken: WireError | None = None, aborted: str | None = None) -> Exchange:
        """The finished record. `broken`: how the connection failed; `aborted`: who left; neither: the body is whole."""
        self._read_body()
        if aborted is not None and self._facts.done:  # the OpenAI client closes behind [DONE]: it has had all
            broken = aborted = None
        outcome, error, detail = self._judge(broken, aborted)
        usage = usage_of(self._facts, one_prompt=self._dialect is not None and self._dialect.one_prompt)
        timeline, counted_by = self._timeline(usage.output_tokens)
        return Exchange(
            ask=ask,
            outcome=outcome,
            ended_ns=ended_ns,
            status=self._head.status,
            error=error,
            detail=detail,
            first_byte_ns=self.first_byte_ns,
            streamed=self._streamed,
            model=self._facts.model,
            finish_reason=self._facts.finish_reason,
            usage=usage,
            counted_by=counted_by,
            timeline=timeline,
            simulated=self._head.simulated,
            coalesced_events=len(timeline) - len(set(timeline.times_ns)),
        )

    def _digest_fast(self, times_ns: list[int], reads: list[bytes]) -> bool:
        template = self._template
        if template is None or not self._framing.at_boundary() or not self._splitter.empty:
            return False
        chars = template.match_reads(reads)
        if chars is not None:
            self._event_times_ns.extend(times_ns)
        else:
            matched = template.match(b"".join(reads))
            if matched is None:
                return False
            chars, ends = matched
            read_ends = list(accumulate(map(len, reads)))
            # An event has come with the read that holds its last byte, the CRLF behind its chunk left out.
            behind = 2 if template.chunked else 0
            self._event_times_ns.extend([times_ns[bisect_left(read_ends, end - behind)] for end in ends])
        self._chars.extend(chars)
        self._kinds.extend(bytes((template.kind,)) * len(chars))
        self._continuous = False
        return True

    def _digest_fully(self, at_ns: int, data: bytes) -> _Sample | None:
        """Parse one read; return its token event as a sample for `learn` when it came alone and whole."""
        fresh = self._at_boundary()
        events = self._splitter.feed(self._framing.feed(data))
        alone = fresh and len(events) == 1 and self._at_boundary()
        reading = None
        for event in events:
            payload = event_data(event)
            if payload == _DONE:
                self._facts.done = True
            elif payload is not None:
                reading = self._take_event(at_ns, payload)
        return (data, *reading) if alone and reading is not None else None

    def _at_boundary(self) -> bool:
        return self._framing.at_boundary() and self._splitter.empty

    def _take_event(self, at_ns: int, payload: bytes) -> Reading | None:
        """Take in one event; return its reading when events like it may follow (continuous usage differs each time)."""
        assert self._dialect is not None
        try:
            chunk = orjson.loads(payload)
            if chunk is None:  # llama.cpp sends `data: null`
                return None
            kind, text, key = self._dialect.read_event(chunk, self._facts)
            with_usage = bool(chunk.get("usage"))
        except (orjson.JSONDecodeError, AttributeError, TypeError, KeyError) as error:
            self._malformed = self._malformed or f"{type(error).__name__} at {payload[:80]!r}"
            return None
        if not kind:
            return None
        self._add_token_event(at_ns, kind, len(text), self._facts.tokens_so_far() if with_usage else None)
        return None if with_usage else (kind, text, key)

    def _add_token_event(self, at_ns: int, kind: int, chars: int, tokens_so_far: int | None) -> None:
        self._event_times_ns.append(at_ns)
        self._chars.append(chars)
        self._kinds.append(kind)
        self._continuous = self._continuous and tokens_so_far is not None
        if self._continuous and tokens_so_far is not None:
            self._tokens.append(max(0, tokens_so_far - self._tokens_so_far))
            self._tokens_so_far = tokens_so_far

    def _keep_body(self, payload: bytes) -> None:
        if self._too_long or len(self._body) + len(payload) > BODY_LIMIT_BYTES:
            self._too_long = True
            self._body.clear()
        else:
            self._body += payload

    def _read_body(self) -> None:
        """What a body that is not a stream says of itself."""
        if self._streamed or self._too_long:
            return
        try:
            body = orjson.loads(self._body)
            if self._dialect is not None:
                self._dialect.read_body(body, self._facts)
            if self._refused:
                self._facts.error = error_message(body)
        except (orjson.JSONDecodeError, AttributeError, TypeError, KeyError) as error:
            if self._refused:
                self._facts.error = one_line(self._body[:2000].decode(errors="replace")) or None
            elif self._dialect is not None:
                self._malformed = f"{type(error).__name__} at {bytes(self._body[:80])!r}"

    def _judge(self, broken: WireError | None, aborted: str | None) -> tuple[Outcome, str | None, str | None]:
        """(outcome, the name it is counted under, a line for people)."""
        facts = self._facts
        if self._refused:
            return Outcome.FAILED, f"http_{self._head.status}", facts.error
        if facts.error is not None:
            return Outcome.FAILED, "error_event" if self._streamed else "error_body", facts.error
        if aborted is not None:
            return Outcome.ABORTED, aborted, None
        if self._malformed is not None and (broken is None or self._streamed):
            return Outcome.FAILED, "malformed_event" if self._streamed else "malformed_body", self._malformed
        if broken is not None:
            outcome = Outcome.TRUNCATED if broken.kind in CUT_SHORT else Outcome.FAILED
            return outcome, broken.kind, str(broken)
        if self._streamed and not facts.finish_reason:
            return Outcome.TRUNCATED, "no_finish_reason" if facts.done else "no_terminator", None
        if self._streamed and facts.unfinished:
            return Outcome.TRUNCATED, "no_finish_reason", f"choices {sorted(facts.unfinished)} have no end"
        if facts.finish_reason in CUT_BY_ENGINE:
            return Outcome.TRUNCATED, f"finish_{facts.finish_reason}", None
        return Outcome.COMPLETED, None, None

    def _timeline(self, output_tokens: int | None) -> tuple[Timeline, CountedBy]:
        times_ns, kinds, events = self._event_times_ns, self._kinds, len(self._event_times_ns)
        if self._continuous and events:
            tokens, counted_by = self._tokens.tolist(), CountedBy.CONTINUOUS_USAGE
        elif output_tokens is not None:
            tokens, counted_by = apportion(output_tokens, self._chars), CountedBy.USAGE
        else:
            tokens, counted_by = [0] * events, CountedBy.EVENTS
        marks = [mark(kind, count) for kind, count in zip(kinds, tokens, strict=True)]
        return Timeline(times_ns, marks, counted=counted_by is not CountedBy.EVENTS), counted_by
