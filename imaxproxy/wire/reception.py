"""One response as it arrives: reads and their times in, the finished Exchange out. Knows no socket.

Its owner, a Protocol of the proxy or of the player, stamps a read and appends it to `times_ns` and `reads`; the bytes
are looked at later, in batches, by `digest`. `due` says which reads must not wait: those that may end the body, and
those that are so large that holding a batch of them would cost memory.
"""

from array import array
from bisect import bisect_left
from itertools import accumulate, cycle

from imaxproxy.errors import WireError
from imaxproxy.metrics import Ask, CountedBy, Exchange, Flag, Outcome, Usage
from imaxproxy.wire.dialect import UNREADABLE, Dialect, Facts, Reading, error_message, one_line
from imaxproxy.wire.encoding import Decode, decode_of
from imaxproxy.wire.event_json import load_json
from imaxproxy.wire.framing import Chunked, Framing, Length, UntilClose
from imaxproxy.wire.head import ResponseHead
from imaxproxy.wire.kept import Kept, KeptBudget
from imaxproxy.wire.numbered import NumberedTemplate, learn_numbered
from imaxproxy.wire.sse import EventSplitter, event_data
from imaxproxy.wire.template import Template, learn
from imaxproxy.wire.token_events import TokenEvents
from imaxproxy.wire.verdict import Evidence, judge

BATCH_READS = 16
"""So many reads, or up to twice as many, are held before they are looked at: few enough to stay in the cache."""
LONG_READ_BYTES = 4096
SHORT_READ_BYTES = 8
"""The chunked terminator's last bytes may come alone; nothing else is that short."""
BODY_LIMIT_BYTES = 16 << 20
"""Of a body that is not a stream, more than this is relayed but not read for usage."""
_BOUND, _BOUND_CHUNKED = b"\n\n", b"\n\n\r\n"
_BATCHES = cycle(range(BATCH_READS, 2 * BATCH_READS))
_DONE = b"[DONE]"
_Sample = tuple[bytes, int, str, str]
"""A read, and the reading of the one event in it."""


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
        "_decode",
        "_dialect",
        "_events_read",
        "_facts",
        "_framing",
        "_head",
        "_kept",
        "_malformed",
        "_splitter",
        "_streamed",
        "_template",
        "_token_events",
        "_too_long",
        "_unread",
        "batch_reads",
        "first_byte_ns",
        "first_event_ns",
        "reads",
        "times_ns",
    )

    def __init__(
        self,
        head: ResponseHead,
        first_byte_ns: int,
        dialect: Dialect | None,
        method: str = "POST",
        *,
        keep: KeptBudget | None = None,
    ) -> None:
        """keep: the body can be had afterwards, as far as this allows.

        Raises WireError when the head names a framing that we do not know.
        """
        self._head = head
        self._framing: Framing = head.framing(method)
        self._dialect = dialect
        self._streamed = dialect is not None and head.content_type == b"text/event-stream"
        self._unread: str | None = None  # why the body's encoding cannot be read
        self._decode: Decode | None = None
        try:
            self._decode = decode_of(head.header(b"content-encoding"))
        except WireError as error:
            self._unread = str(error)
        self.first_byte_ns = first_byte_ns
        self.first_event_ns: int | None = None
        # Reads that may wait. A body of known length may end with any of them, and nothing in its bytes says so. Of
        # streams some wait for more reads than others: a step feeds all at once, and all would be digested at once.
        self.batch_reads = 1 if isinstance(self._framing, Length) else next(_BATCHES)
        self.times_ns: list[int] = []
        self.reads: list[bytes] = []
        self._splitter = EventSplitter()
        self._template: Template | NumberedTemplate | None = None
        self._facts = Facts()
        self._events_read = 0  # in full
        self._malformed: str | None = None
        self._body = bytearray()
        self._too_long = False  # the body is over BODY_LIMIT_BYTES and was not kept
        self._kept = None if keep is None else Kept(keep)
        self._token_events = TokenEvents()

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
    def model(self) -> str | None:
        """As the answer names it, once it has."""
        return self._facts.model

    @property
    def token_times_ns(self) -> "array[int]":
        """When each token event digested so far came; to be read only, and not to be held: it grows."""
        return self._token_events.times_ns

    @property
    def told_tokens(self) -> "array[int] | None":
        """Tokens of each, where the engine tells them event by event."""
        return self._token_events.told

    @property
    def token_events(self) -> int:
        """Token events digested so far."""
        return len(self._token_events)

    def digest(self) -> None:
        """Look at what was read since the last time. Raises WireError when the framing or the stream is broken."""
        if not self.reads:
            return
        times_ns, reads = self.times_ns.copy(), self.reads.copy()
        self.times_ns.clear()  # the owner holds these very lists
        self.reads.clear()
        if self._kept is not None:
            self._kept.add(b"".join(reads))
        if not self._streamed or self._unread:
            for data in reads:
                self._keep_body(self._plain(self._framing.feed(data)))
        elif not self._digest_fast(times_ns, reads):
            sample: _Sample | None = None
            for at_ns, data in zip(times_ns, reads, strict=True):
                digest = self._digest_long if len(data) > LONG_READ_BYTES else self._digest_fully
                sample = digest(at_ns, data) or sample
            if sample is not None:  # once a batch: the next one will look like this one's end
                self._template = self._learned(sample) or self._template

    @property
    def streamed(self) -> bool:
        return self._streamed

    @property
    def spliceable(self) -> bool:
        """Its reads may be looked at some time later: a stream whose end shows in its bytes, or is the connection's."""
        return self._streamed and not isinstance(self._framing, Length)

    @property
    def plain_template(self) -> Template | None:
        """What the next reads look like, if they may be recognised elsewhere and dropped there (`recognised`)."""
        template = self._template
        usable = isinstance(template, Template) and self._kept is None and not self._unread and self._at_boundary()
        return template if usable and isinstance(template, Template) else None

    def recognised(self, times_ns: bytes, chars: bytes) -> None:
        """Take in events like `plain_template`: when each came (int64, ns), and the characters of its text (int32)."""
        if not times_ns:
            return
        template = self._template
        assert template is not None
        self._token_events.add_packed(template.kind, times_ns, chars)

    @property
    def unkept(self) -> str | None:
        """Why a body that was to be kept is not."""
        return None if self._kept is None else self._kept.unkept

    def kept_body(self) -> bytes | None:
        """All that came of it, plain; None where nobody asked for that, or it was too long. Raises WireError."""
        data = None if self._kept is None else self._kept.data
        if data is None:
            return None
        body = self._head.framing("POST").feed(data)
        decode = decode_of(self._head.header(b"content-encoding"))
        return body if decode is None else decode(body)

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
        outcome, error, detail = judge(self._evidence(), broken, aborted)
        usage = self._dialect.usage_of(self._facts) if self._dialect is not None else Usage()
        timeline, counted_by = self._token_events.timeline(usage.output_tokens)
        return Exchange(
            ask=ask,
            outcome=outcome,
            ended_ns=ended_ns,
            status=self._head.status,
            error=error,
            detail=detail,
            first_byte_ns=self.first_byte_ns,
            first_event_ns=self.first_event_ns,
            streamed=self._streamed,
            model=self._facts.model,
            finish_reason=self._facts.finish_reason,
            usage=usage,
            timing=self._facts.timing,
            counted_by=counted_by,
            timeline=timeline,
            simulated=self._head.simulated,
            flags=self._flags(ask, outcome, usage),
            coalesced_events=len(timeline) - len(set(timeline.times_ns)),
        )

    def _digest_fast(self, times_ns: list[int], reads: list[bytes]) -> bool:
        template = self._template
        if template is None or not self._framing.at_boundary() or not self._splitter.empty:
            return False
        chars = template.match_reads(reads)
        if chars is None:
            matched = template.match(b"".join(reads))
            if matched is None:
                return False
            chars, ends = matched
            read_ends = list(accumulate(map(len, reads)))
            # An event has come with the read that holds its last byte, the CRLF behind its chunk left out.
            behind = 2 if template.chunked else 0
            times_ns = [times_ns[bisect_left(read_ends, end - behind)] for end in ends]
        self._token_events.add_alike(template.kind, times_ns, chars)
        return True

    def _digest_long(self, at_ns: int, data: bytes) -> _Sample | None:
        """One read of many events, cut anywhere: what lies between its first and its last bound goes the fast way.

        So a stream at full speed holds up those beside it by 0.3 us an event, not by 5.
        """
        bound = _BOUND_CHUNKED if isinstance(self._framing, Chunked) else _BOUND
        first = 0 if self._at_boundary() else data.find(bound) + len(bound)
        last = data.rfind(bound) + len(bound)
        if last < len(bound) or first >= last:  # no bound, or only one
            return self._digest_fully(at_ns, data)
        if first:
            self._digest_fully(at_ns, data[:first])
        sample = None
        if not self._digest_fast([at_ns], [data[first:last]]):
            middle = max(first, data.rfind(bound, first, last - 1) + len(bound))
            self._digest_fully(at_ns, data[first:middle])
            sample = self._digest_fully(at_ns, data[middle:last])
        self._digest_fully(at_ns, data[last:])
        return sample

    def _learned(self, sample: _Sample) -> Template | NumberedTemplate | None:
        chunked = isinstance(self._framing, Chunked)
        if self._facts.sequence_number is None:
            return learn(*sample, chunked=chunked)
        return learn_numbered(*sample, chunked=chunked, facts=self._facts)

    def _plain(self, payload: bytes) -> bytes:
        """The payload without its encoding. What cannot be read is no fault of the stream, which is relayed on."""
        if self._decode is None or self._unread:
            return b"" if self._unread else payload
        try:
            return self._decode(payload)
        except WireError as error:
            self._unread = str(error)
            return b""

    def _digest_fully(self, at_ns: int, data: bytes) -> _Sample | None:
        """Parse one read; return its token event as a sample for `learn` when it came alone and whole."""
        fresh = self._at_boundary()
        payload = self._framing.feed(data)
        events = self._splitter.feed(payload if self._decode is None else self._plain(payload))
        alone = fresh and len(events) == 1 and self._at_boundary()
        reading = None
        for event in events:
            event_json = event_data(event)
            if event_json is None:
                continue
            if self.first_event_ns is None:
                self.first_event_ns = at_ns
            if event_json.strip() == _DONE:
                self._facts.done = True
            else:
                reading = self._take_event(at_ns, event_json)
        return (data, *reading) if alone and reading is not None and self._decode is None else None

    def _at_boundary(self) -> bool:
        return self._framing.at_boundary() and self._splitter.empty

    def _take_event(self, at_ns: int, payload: bytes) -> Reading | None:
        """Take in one event; return its reading when events like it may follow (continuous usage differs each time)."""
        assert self._dialect is not None
        try:
            chunk = load_json(payload)
            if chunk is None:  # llama.cpp sends `data: null`
                return None
            kind, text, key = self._dialect.read_event(chunk, self._facts)
            with_usage = bool(chunk.get("usage"))
        except UNREADABLE as error:
            self._malformed = self._malformed or f"{type(error).__name__} at {payload[:80]!r}"
            return None
        self._events_read += 1
        if not kind:
            return None
        if self._facts.token_ids is not None:
            self._token_events.add(at_ns, kind, len(text), CountedBy.TOKEN_IDS, self._facts.token_ids)
            return None
        if with_usage:
            self._token_events.add(at_ns, kind, len(text), CountedBy.CONTINUOUS_USAGE, self._facts.tokens_so_far())
            return None
        self._token_events.add(at_ns, kind, len(text), CountedBy.EVENTS, None)
        return kind, text, key

    def _keep_body(self, payload: bytes) -> None:
        if self._too_long or len(self._body) + len(payload) > BODY_LIMIT_BYTES:
            self._too_long = True
            self._body.clear()
        else:
            self._body += payload

    def _read_body(self) -> None:
        """What a body that is not a stream says of itself."""
        if self._streamed or self._too_long or self._unread:
            return
        try:
            body = load_json(self._body)
            if self._dialect is not None:
                self._dialect.read_body(body, self._facts)
            if self._refused:
                self._facts.error = error_message(body)
        except UNREADABLE as error:
            if self._refused:
                self._facts.error = one_line(self._body[:2000].decode(errors="replace")) or None
            elif self._dialect is not None:
                self._malformed = f"{type(error).__name__} at {bytes(self._body[:80])!r}"

    def _evidence(self) -> Evidence:
        refused = self._head.status if self._refused else None
        return Evidence(self._facts, refused, self._streamed, self._events_read, self._malformed, self._unread)

    def _flags(self, ask: Ask, outcome: Outcome, usage: Usage) -> tuple[Flag, ...]:
        facts, dialect = self._facts, self._dialect
        if dialect is None:
            return ()
        flags = set(facts.flags)
        if self._unread:
            flags.add(Flag.UNREAD_ENCODING)
        elif self._streamed and self._malformed is not None:
            flags.add(Flag.BAD_EVENT)
        if outcome is Outcome.COMPLETED and not self._unread:
            if self._streamed and not facts.done:
                flags.add(Flag.NO_DONE)
            due_usage = dialect.usage_unasked or ask.usage_asked if self._streamed else not self._too_long
            if due_usage and usage.output_tokens is None:
                flags.add(Flag.NO_USAGE)
            if self._told_otherwise(usage.output_tokens):
                flags.add(Flag.USAGE_MISMATCH)
        return tuple(flag for flag in Flag if flag in flags)

    def _told_otherwise(self, output_tokens: int | None) -> bool:
        """Event by event the engine said another number of tokens than in its total."""
        told = self._facts.token_ids
        if (
            told is None
            and self._token_events.counted_by is CountedBy.CONTINUOUS_USAGE
            and self._facts.usage_beside_none
        ):
            told = self._facts.tokens_of_choices()
        return None not in (told, output_tokens) and told != output_tokens
