"""The Exchange of a request in virtual time: what a client on the wire would have recorded of it."""

from array import array

from imaxproxy.load.virtual_request import VirtualRequest
from imaxproxy.metrics import ANSWER, REASONING, Ask, CountedBy, Exchange, Outcome, Timeline, Usage, mark
from imaxproxy.sim import Cutter, ReplyShape, VirtualStream

LEFT = "cancelled"
TIMEOUT = "timeout"


class Recorder:
    """Makes Exchanges of streams that have ended, in one way or another."""

    def __init__(self, shape: ReplyShape, model: str, timeout_s: float, *, each_event_counts: bool = False) -> None:
        """each_event_counts: every event tells how many tokens have come."""
        self._shape, self._model, self._timeout_s = shape, model, timeout_s
        self._counted_by = CountedBy.CONTINUOUS_USAGE if each_event_counts else CountedBy.USAGE

    def completed(self, ask: Ask, stream: VirtualStream, request: VirtualRequest) -> Exchange:
        """All tokens came."""
        times_ns, counts = stream.token_times_ns()
        reasoning_tokens = self._reasoning_tokens(ask, stream)
        return Exchange(
            ask=ask,
            outcome=Outcome.COMPLETED,
            ended_ns=times_ns[-1],
            status=200,
            first_byte_ns=times_ns[0],
            streamed=True,
            model=self._model,
            finish_reason=request.finish_reason,
            usage=Usage(request.input_tokens, stream.output_tokens, reasoning_tokens, stream.cached_tokens),
            counted_by=self._counted_by,
            timeline=_timeline(times_ns, counts, self.cutter(ask, stream)),
            simulated=True,
        )

    def given_up(self, ask: Ask, stream: VirtualStream, why: str, now_ns: int) -> Exchange:
        """Its reader left, or its time was over. No total came: tokens are known where each event tells its own."""
        times_ns, counts = stream.token_times_ns()
        timeline = _timeline(times_ns, counts, self.cutter(ask, stream))
        counted_by = self._counted_by
        if counted_by is CountedBy.USAGE or not len(timeline):
            kinds = [mark(kind, 0) for kind in timeline.kinds]
            timeline, counted_by = Timeline(timeline.times_ns, kinds, counted=False), CountedBy.EVENTS
        return Exchange(
            ask=ask,
            outcome=Outcome.ABORTED if why == LEFT else Outcome.TRUNCATED,
            ended_ns=now_ns,
            status=200,
            error=why,
            detail=None if why == LEFT else f"no end within {self._timeout_s:g} s",
            first_byte_ns=timeline.times_ns[0] if len(timeline) else None,
            streamed=True,
            model=self._model if len(timeline) else None,
            counted_by=counted_by,
            timeline=timeline,
            simulated=True,
        )

    def refused(self, ask: Ask, request: VirtualRequest, now_ns: int) -> Exchange:
        """The engine says no, at once."""
        assert request.refused is not None
        status, detail = request.refused.status, str(request.refused)
        return Exchange(ask, Outcome.FAILED, now_ns, status, f"http_{status}", detail, simulated=True)

    def cutter(self, ask: Ask, stream: VirtualStream) -> Cutter:
        """How the answer is cut into events, as the engine's server does: see `StreamedReply`."""
        return Cutter(stream.output_tokens, self._reasoning_tokens(ask, stream), self._shape.tokens_per_event)

    def _reasoning_tokens(self, ask: Ask, stream: VirtualStream) -> int:
        return self._shape.reasoning_of(stream.output_tokens, is_chat=ask.dialect == "chat")


def _timeline(times_ns: list[int], counts: list[int], cutter: Cutter) -> Timeline:
    """The events that a client would have seen."""
    if cutter.cuts_each_step:
        if len(times_ns) == sum(counts):
            return Timeline(times_ns, array("i", (mark(ANSWER, 1),)) * len(times_ns))
        return Timeline(times_ns, [mark(ANSWER, tokens) for tokens in counts])
    event_times_ns, marks, emitted = array("q"), array("i"), 0
    for time_ns, tokens in zip(times_ns, counts, strict=True):
        emitted += tokens
        while emitted >= cutter.due_tokens and not cutter.is_over:
            kind = REASONING if cutter.is_reasoning else ANSWER
            marks.append(mark(kind, cutter.cut(emitted)))
            event_times_ns.append(time_ns)
    return Timeline(event_times_ns, marks)
