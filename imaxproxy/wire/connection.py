"""The engine's half of one stream: the Protocol that both the proxy and the player put on a connection to an engine."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import cast

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.errors import WireError
from imaxproxy.metrics import Flow
from imaxproxy.wire.head import HeadReader
from imaxproxy.wire.intake import Intake
from imaxproxy.wire.question import Answered, Forward, Onward, Question
from imaxproxy.wire.reception import BATCH_READS, LONG_READ_BYTES, SHORT_READ_BYTES, Reception
from imaxproxy.wire.splice import STILL_OPEN, LoopReads, Taken

_CLOSED = ("reset", "no_response")


class EngineConnection(asyncio.Protocol):
    """One connection, one exchange at a time. A read costs one stamp, one write and two appends.

    Where C carries streamed answers (`intake.py`), it does so from the head on, or from the first byte where nobody but
    the meter wants it: reads come here no more, and `look` is told when some need to be looked at.
    """

    __slots__ = (
        "_answered",
        "_batch_reads",
        "_clock_ns",
        "_forward",
        "_head_reader",
        "_intake",
        "_keep",
        "_last",
        "_looked_ns",
        "_onward",
        "_question",
        "_reads",
        "_reception",
        "_reusable",
        "_sent_ns",
        "_silent",
        "_stamp",
        "_transport",
    )

    def __init__(self, clock_ns: Clock = monotonic_ns) -> None:
        self._clock_ns = clock_ns
        self._transport: asyncio.Transport | None = None
        self._intake = Intake(self, clock_ns)
        self._question: Question | None = None
        self._answered: asyncio.Future[Answered] | None = None
        self._sent_ns: int | None = None
        self._head_reader = HeadReader()
        self._reception: Reception | None = None
        self._forward: Forward | None = None
        self._onward: asyncio.Transport | None = None  # what `_forward` writes to, when it does nothing else
        self._stamp: Callable[[int], None] = _nowhere
        self._keep: Callable[[bytes], None] = _nowhere
        self._reads: list[bytes] = []
        self._batch_reads = BATCH_READS
        self._last: Answered | None = None
        self._reusable = True
        self._silent = True  # no byte of an answer has come
        self._looked_ns = 0

    def __repr__(self) -> str:
        state = "closed" if self.closed else "idle" if self._question is None else "busy"
        return f"<EngineConnection {state}>"

    @property
    def closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    @property
    def reusable(self) -> bool:
        """The last answer left the connection fit for another question."""
        return self._reusable and not self.closed

    @property
    def stirred(self) -> bool:
        """Something came from the engine that nobody has read yet: on an idle connection that is its end."""
        return self._intake.stirred

    @property
    def last_read_ns(self) -> int | None:
        """When the answer's newest bytes came; None before its head. While nothing is taken from it: now."""
        if self._reception is None:
            return None
        if self._intake.paused:
            return self._clock_ns()
        if self._intake.splice is not None:
            return max(self._intake.splice.last_read_ns, self._looked_ns)
        times_ns = self._reception.times_ns
        return max(times_ns[-1], self._looked_ns) if times_ns else self._looked_ns

    def use_pump(self) -> None:
        """Have reads come the cheap way, where there is one; uvloop starts its own only after `connection_made`."""
        self._intake.use_pump()

    def ask(self, question: Question) -> "asyncio.Future[Answered]":
        """Send a request; the future always gets a result, never an exception, unless it is cancelled."""
        assert self._question is None
        self._question = question
        self._answered = answered = asyncio.get_running_loop().create_future()
        self._sent_ns, self._reception, self._last, self._reusable, self._silent = None, None, None, True, True
        if self._transport is None or self._transport.is_closing():  # lost between the pool's look and now
            self._end(self._clock_ns(), WireError("reset", "the connection was closed while idle"))
            return answered
        if question.on_head is None:
            self._intake.read_in_c()
        elif self._intake.splice is not None:
            self._intake.read_here()
        # With a high-water mark of 0 the write goes to the socket at once, and `resume_writing` tells when the rest of
        # a long request has left too.
        # Stamped before: the write wakes the engine, and on a busy machine that may run in our place until it has
        # answered (seen with vLLM: its own TTFT was 34 ms longer than ours).
        handed_ns = self._clock_ns()
        self._transport.write(question.data)
        if not self._transport.get_write_buffer_size():
            self._sent_ns = handed_ns
        return answered

    def give_up(self, reason: WireError) -> Answered:
        """End the question under way now, whatever has come of its answer, and drop the connection.

        When its end came first, in the same turn of the loop, that end stands.
        """
        if self._last is not None:
            return self._last
        self._collect()
        if self._question is None:  # an answer that C had read whole, and nobody had looked at
            return self._answer_before()
        if self._reception is not None:
            with suppress(WireError):  # the reason stands; this is for the events that came before it
                self._reception.digest()
        return self._end(self._clock_ns(), reason)

    def _answer_before(self) -> Answered:
        assert self._last is not None
        return self._last

    def token_events(self) -> int:
        """Token events of the answer under way that have come by now; looks at what waits to be digested."""
        reception = self._reception
        if reception is None:
            return 0
        if self._intake.splice is not None:
            self.look()
        elif reception.times_ns:  # as of its newest read: a look is no sign of life (`last_read_ns`)
            self._digest(reception.times_ns[-1])
        return reception.token_events

    def flow(self) -> Flow | None:
        """How far the answer under way has come by now; None before its head, and when it has just ended.

        Costs 1 to 2 us where C carries the stream and knows its events; else what waits to be digested is digested.
        """
        reception, splice = self._reception, self._intake.splice
        if reception is None:
            return None
        if splice is None:
            if reception.times_ns:  # as in `token_events`
                self._digest(reception.times_ns[-1])
        else:
            times_ns, chars, reads = splice.take_events()
            reception.recognised(times_ns, chars)
            if reads:
                self.look()
        if self._reception is not reception:
            return None
        return Flow(self._sent_ns, reception.token_times_ns, reception.told_tokens, reception.model)

    def abort(self) -> None:
        """Drop the connection now."""
        self._intake.close()
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Take no more from the engine: whoever we forward to is slower."""
        self._intake.pause()

    def resume(self) -> None:
        if self._intake.resume():
            self._looked_ns = self._clock_ns()

    # The event loop's side --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0)
        self._intake.open(self._transport)

    def resume_writing(self) -> None:
        if self._question is not None and self._sent_ns is None:
            self._sent_ns = self._clock_ns()

    def data_received(self, data: bytes) -> None:
        now_ns = self._clock_ns()
        LoopReads.made += 1
        if self._reception is None:
            self._read_head(now_ns, data)
            return
        if self._forward is not None:
            self._forward(data)  # the user first; we look at it later
        self._stamp(now_ns)
        self._keep(data)
        # `reception.due`, written out: the call would cost 0.1 us an event
        if (
            data[-4:] == b"\r\n\r\n"
            or len(self._reads) >= self._batch_reads
            or not SHORT_READ_BYTES <= len(data) <= LONG_READ_BYTES
        ):
            self._digest(now_ns)
            self._hand_over()

    def look(self) -> None:
        """The splice's word that something needs to be taken."""
        splice, question = self._intake.splice, self._question
        if question is None:
            if splice is not None and splice.stirred:  # an idle connection's end, or bytes that nobody asked for
                self.hung_up(None)
            return
        taken = self._collect()
        if taken is None:
            return
        if taken.read_times_ns and self._reception is not None:
            self._digest(taken.read_times_ns[-1])
        if self._intake.splice is not splice or splice is None or self._question is not question:
            return  # that was the end
        if taken.end != STILL_OPEN:
            self.hung_up(OSError(taken.end, os.strerror(taken.end)) if taken.end else None)
            return
        template = None if self._reception is None else self._reception.plain_template
        if template is not None:  # when more has come meanwhile, that is looked at first, and this is tried again
            splice.arm(template.prefix, template.suffix, chunked=template.chunked)
        if not self._intake.paused:
            splice.resume()

    def eof_received(self) -> bool:
        return False  # an engine that half-closes has said its last

    def hung_up(self, error: OSError | None) -> None:
        """The pump's word for the connection's end."""
        transport = self._transport
        self.connection_lost(error)
        if transport is not None:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._collect()
        self._intake.lose()
        self._transport = None
        if self._question is None:
            return
        now_ns = self._clock_ns()
        if self._reception is None:
            what = "the engine closed the connection without an answer"
            self._end(now_ns, WireError("reset" if exc else "no_response", what))
            return
        try:
            self._reception.digest()
        except WireError as error:
            self._end(now_ns, error)
            return
        self._end(now_ns, self._reception.at_eof(reset=exc is not None))

    # ------------------------------------------------------------------------------------------------------------------

    def _read_head(self, now_ns: int, data: bytes) -> None:
        question = self._question
        if question is None:  # nobody asked: an error page for the next request, or garbage
            self.abort()
            return
        self._silent = False
        try:
            parsed = self._head_reader.feed(data)
            if parsed is None:
                return
            head, rest = parsed
            reception = Reception(head, now_ns, question.dialect, question.method, keep=question.keep)
        except WireError as error:
            self._end(now_ns, error)
            return
        self._reception = reception
        way = None if question.on_head is None else question.on_head(head)
        self._onward = way.transport if isinstance(way, Onward) else None
        self._forward = way.transport.write if isinstance(way, Onward) else way
        self._stamp, self._keep, self._reads = reception.times_ns.append, reception.reads.append, reception.reads
        self._batch_reads = reception.batch_reads
        if rest:
            if self._forward is not None:
                self._forward(rest)
            self._stamp(now_ns)
            self._keep(rest)
        self._digest(now_ns)
        self._hand_over()

    def _hand_over(self) -> None:
        """Have C carry the rest of this answer, where it can: a stream, and nobody who wants each read."""
        reception = self._reception
        if reception is not None and reception.spliceable and (self._forward is None or self._onward is not None):
            self._intake.carry(reception.batch_reads, self._onward)

    def _collect(self) -> Taken | None:
        """Take what the splice has: for the client what its socket did not, for the reception all the rest."""
        splice = self._intake.splice
        if splice is None or self._question is None:
            return None
        taken = splice.take()
        times_ns, reads = iter(taken.read_times_ns), iter(taken.reads)
        self._read_heads(times_ns, reads)
        reception = self._reception
        if reception is None:
            return taken
        if taken.unsent and self._onward is not None and not self._onward.is_closing():
            self._onward.write(taken.unsent)
        reception.recognised(taken.event_times_ns, taken.event_chars)
        reception.times_ns += times_ns
        reception.reads += reads
        return taken

    def _read_heads(self, times_ns: Iterator[int], reads: Iterator[bytes]) -> None:
        """Take reads until the answer's head has come; what then follows in a read is the body's."""
        while self._reception is None and self._question is not None and (data := next(reads, None)) is not None:
            self._read_head(next(times_ns), data)
        if self._reception is None and next(reads, None) is not None:  # behind the end of a whole answer
            self.abort()

    def _digest(self, now_ns: int) -> None:
        reception = self._reception
        assert reception is not None
        self._looked_ns = now_ns
        try:
            reception.digest()
        except WireError as error:
            self._end(now_ns, error)
            return
        if reception.done:
            self._end(now_ns, None)

    def _end(self, now_ns: int, broken: WireError | None) -> Answered:
        answered, reception = self._answered, self._reception
        assert answered is not None
        silent = self._silent and broken is not None and broken.kind in _CLOSED
        answer = Answered(self._sent_ns, now_ns, reception, broken, silent)
        whole = broken is None and reception is not None and reception.keep_alive and self._sent_ns is not None
        self._reusable, self._last = whole, answer
        relayed = self._question is not None and self._question.on_head is not None
        self._question = self._answered = self._reception = self._forward = self._onward = None
        self._stamp = self._keep = _nowhere
        self._reads = []
        self._head_reader = HeadReader()
        if not whole:
            self.abort()
        elif self._intake.splice is not None and relayed:
            self._intake.read_here()
        if not answered.done():
            answered.set_result(answer)
        return answer


def _nowhere(_: object) -> None:
    """Where stamps and reads go while no response is under way."""
