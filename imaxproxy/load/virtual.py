"""The player in virtual time: the same schedule and rules against simulated engines, as one discrete-event simulation.

No socket, no process, no waiting: time jumps from event to event. What the live player does to an engine that fails
(timeouts, connects, aborts) has no counterpart here.
"""

import heapq
import itertools
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.load.player import Sink
from imaxproxy.load.rules import Ended, Rules
from imaxproxy.load.schedule import Scheduled
from imaxproxy.load.virtual_request import RequestMaker, VirtualRequest
from imaxproxy.metrics import ANSWER, REASONING, Ask, CountedBy, Exchange, Outcome, Timeline, Usage, mark
from imaxproxy.sim import Assembly, Cutter, PowerSample, ReplyShape, VirtualCluster, VirtualStream
from imaxproxy.traces import TraceRow
from imaxproxy.wire import DIALECTS

_IDLE_STEP_NS = NS_PER_S


@dataclass(slots=True)
class _Item:
    """A row on its way."""

    row: TraceRow
    offset_ns: int | None
    wait_for: tuple[str, ...]
    missing: set[str]
    due_ns: int = 0
    request: VirtualRequest | None = None


class VirtualPlayer:
    """Plays a schedule to its end; an Exchange for each request goes to `sink`.

    `tracks` says whether any request waits for others: only then are the ends of all remembered, so that a trace of
    independent requests runs in bounded memory however long it is.
    """

    def __init__(
        self,
        assembly: Assembly,
        maker: RequestMaker,
        rules: Rules,
        sink: Sink,
        *,
        speed: float = 1.0,
        tracks: bool = True,
        power_sink: Callable[[PowerSample], None] | None = None,
    ) -> None:
        self.cluster = VirtualCluster(assembly, self._on_done, samples_power=power_sink is not None)
        self._maker, self._rules, self._sink, self._power_sink = maker, rules, sink, power_sink
        self._speed, self._tracks = speed, tracks
        self._model = assembly.limits.model
        self._shape = assembly.shape
        self._due: list[tuple[int, int, _Item]] = []
        self._ready: deque[_Item] = deque()
        self._blocked: dict[str, list[_Item]] = {}
        self._ended_at_ns: dict[str, int] = {}
        self._last_of_session: dict[str, str] = {}
        self._numbers = itertools.count()
        self._in_flight = 0
        self._now_ns = 0
        self.outcomes: Counter[Outcome] = Counter()
        self.output_tokens = 0

    def __repr__(self) -> str:
        return f"<VirtualPlayer at {self._now_ns / NS_PER_S:.3f} s, {self.outcomes.total()} done>"

    def play(self, scheduled: Scheduled) -> Ended:
        """Run until all has ended. Raises UsageError for a row that cannot be sent."""
        rows = iter(scheduled)
        limit_ns = None if self._rules.duration_s is None else round(self._rules.duration_s * NS_PER_S)
        ended = self._play_closed(rows, limit_ns) if self._rules.concurrency else self._play_open(rows, limit_ns)
        self._fail_never_ready()
        for counter in self.cluster.counters:
            counter.idle_until(self._now_ns)
        self._drain_power()
        return ended

    # Open loop --------------------------------------------------------------------------------------------------------

    def _play_open(self, rows: "Iterator[tuple[int | None, TraceRow]]", limit_ns: int | None) -> Ended:
        following = next(rows, None)
        while True:
            times = [self._due[0][0]] if self._due else []
            if following is not None:
                times.append(following[0] or 0)
            if not times:
                if self.cluster.next_ns is None:
                    return Ended.FINISHED
                self._advance()
                continue
            due_ns = min(times)
            if limit_ns is not None and due_ns > limit_ns:
                self._blocked.clear()
                self._due.clear()
                self._run_dry()
                return Ended.DURATION
            if self.cluster.next_ns is not None and self.cluster.next_ns < due_ns:
                self._advance()
            elif self._due and self._due[0][0] == due_ns:
                _, _, item = heapq.heappop(self._due)
                self._send(item, due_ns)
            elif following is not None:
                self._offer(self._item(*following))
                following = next(rows, None)

    # Closed loop ------------------------------------------------------------------------------------------------------

    def _play_closed(self, rows: "Iterator[tuple[int | None, TraceRow]]", limit_ns: int | None) -> Ended:
        places = self._rules.concurrency or 0
        exhausted = False
        while True:
            over = limit_ns is not None and self._now_ns > limit_ns
            while not over and self._in_flight < places and not exhausted:
                while not self._ready and not exhausted:
                    row = next(rows, None)
                    if row is None:
                        exhausted = True
                    else:
                        self._offer(self._item(*row))
                    if self._stuck_behind_a_wait():
                        break
                if not self._ready:
                    break
                self._send(self._ready.popleft(), self._now_ns)
            while not over and self._ready and self._in_flight < places:
                self._send(self._ready.popleft(), self._now_ns)
            next_ns = self.cluster.next_ns
            if self._due and (next_ns is None or self._due[0][0] <= next_ns):
                self._now_ns, _, item = heapq.heappop(self._due)
                self._ready.append(item)
            elif next_ns is not None:
                self._advance()
            elif over or (exhausted and not self._ready):
                return Ended.DURATION if over else Ended.FINISHED

    def _stuck_behind_a_wait(self) -> bool:
        """So many rows wait for others that reading on would hold the whole trace."""
        return sum(map(len, self._blocked.values())) + len(self._due) >= 10_000

    # Both -------------------------------------------------------------------------------------------------------------

    def _item(self, offset_ns: int | None, row: TraceRow) -> _Item:
        before = self._last_of_session.get(row.session_id) if row.session_id is not None else None
        if row.session_id is not None:
            self._last_of_session[row.session_id] = row.request_id
        wait_for = row.wait_for or ((before,) if before is not None else ())
        missing = {name for name in wait_for if name not in self._ended_at_ns}
        return _Item(row, offset_ns, wait_for, missing)

    def _offer(self, item: _Item) -> None:
        for name in item.missing:
            self._blocked.setdefault(name, []).append(item)
        item.request = self._maker.request(item.row)  # in the trace's order: a session's history grows with it
        if not item.missing:
            self._admit(item)

    def _admit(self, item: _Item) -> None:
        """All it waits for has ended; the wait counts from the last of these ends."""
        not_before_ns = 0
        if item.wait_for:
            wait_ns = round(item.row.wait_ms * NS_PER_MS / self._speed)
            not_before_ns = max(self._ended_at_ns[name] for name in item.wait_for) + wait_ns
        if self._rules.concurrency is None or not_before_ns > self._now_ns:
            due_ns = max(item.offset_ns or 0, not_before_ns)
            heapq.heappush(self._due, (due_ns, next(self._numbers), item))
        else:
            self._ready.append(item)

    def _send(self, item: _Item, now_ns: int) -> None:
        self._now_ns = item.due_ns = max(now_ns, self._now_ns)
        request = item.request
        assert request is not None
        if request.refused is not None:
            detail = str(request.refused)
            error = f"http_{request.refused.status}"
            self._note(
                Exchange(
                    self._ask(item, request),
                    Outcome.FAILED,
                    self._now_ns,
                    request.refused.status,
                    error,
                    detail,
                    simulated=True,
                )
            )
            self._release(item.row.request_id)
            return
        self._in_flight += 1
        stream = VirtualStream(item, self._now_ns, request.input_tokens, request.output_tokens, request.block_names)
        self.cluster.submit(stream, self._now_ns)

    def _advance(self) -> None:
        self._now_ns = self.cluster.advance()
        if self._power_sink is not None and self.cluster.pending_samples > 10_000:
            self._drain_power()

    def _run_dry(self) -> None:
        while self.cluster.next_ns is not None:
            self._advance()

    def _on_done(self, stream: VirtualStream, now_ns: int) -> None:
        item = stream.key
        assert isinstance(item, _Item)
        assert item.request is not None
        self._in_flight -= 1
        self._now_ns = now_ns
        self._note(_exchange(self._ask(item, item.request), stream, item.request, self._shape, self._model))
        self._release(item.row.request_id)

    def _release(self, request_id: str) -> None:
        if self._tracks:
            self._ended_at_ns[request_id] = self._now_ns
        for item in self._blocked.pop(request_id, ()):
            item.missing.discard(request_id)
            if not item.missing:
                self._admit(item)

    def _fail_never_ready(self) -> None:
        """What waits for a request that is not in the trace can never be sent; it is counted, not dropped."""
        waiting = {id(item): item for items in self._blocked.values() for item in items}
        for item in waiting.values():
            assert item.request is not None
            ask = Ask(item.row.request_id, item.request.path, self._now_ns, session_id=item.row.session_id)
            detail = f"waits for {sorted(item.missing)}, which never ended"
            self._note(Exchange(ask, Outcome.FAILED, self._now_ns, error="never_ready", detail=detail))

    def _ask(self, item: _Item, request: VirtualRequest) -> Ask:
        return Ask(
            request_id=item.row.request_id,
            path=request.path,
            started_ns=item.due_ns,
            sent_ns=item.due_ns,
            scheduled_ns=None if self._rules.concurrency is not None else item.due_ns,
            dialect=DIALECTS[request.path].name if request.path in DIALECTS else None,
            session_id=item.row.session_id,
            planned_input_tokens=request.input_tokens or None,
            planned_output_tokens=item.row.output_length,
        )

    def _note(self, exchange: Exchange) -> None:
        self.outcomes[exchange.outcome] += 1
        self.output_tokens += exchange.output_tokens or 0
        self._sink(exchange)

    def _drain_power(self) -> None:
        if self._power_sink is not None:
            for sample in self.cluster.take_samples():
                self._power_sink(sample)


def _exchange(ask: Ask, stream: VirtualStream, request: VirtualRequest, shape: ReplyShape, model: str) -> Exchange:
    reasoning_tokens = shape.reasoning_of(stream.output_tokens, is_chat=ask.dialect == "chat")
    times_ns, counts = stream.token_times_ns()
    timeline = _timeline(times_ns, counts, reasoning_tokens, shape.tokens_per_event)
    return Exchange(
        ask=ask,
        outcome=Outcome.COMPLETED,
        ended_ns=times_ns[-1],
        status=200,
        first_byte_ns=times_ns[0],
        streamed=True,
        model=model,
        finish_reason=request.finish_reason,
        usage=Usage(request.input_tokens, stream.output_tokens, reasoning_tokens, stream.cached_tokens),
        counted_by=CountedBy.USAGE,
        timeline=timeline,
        simulated=True,
    )


def _timeline(times_ns: list[int], counts: list[int], reasoning_tokens: int, tokens_per_event: int) -> Timeline:
    """The events that a client would have seen: cut as the engine's server cuts them, see `StreamedReply`."""
    if not reasoning_tokens and tokens_per_event == 1:
        if len(times_ns) == sum(counts):
            return Timeline(times_ns, array("i", (mark(ANSWER, 1),)) * len(times_ns))
        return Timeline(times_ns, [mark(ANSWER, tokens) for tokens in counts])
    event_times_ns, marks, emitted = array("q"), array("i"), 0
    cutter = Cutter(sum(counts), reasoning_tokens, tokens_per_event)
    for time_ns, tokens in zip(times_ns, counts, strict=True):
        emitted += tokens
        while emitted >= cutter.due_tokens and not cutter.is_over:
            kind = REASONING if cutter.is_reasoning else ANSWER
            marks.append(mark(kind, cutter.cut(emitted)))
            event_times_ns.append(time_ns)
    return Timeline(event_times_ns, marks)
