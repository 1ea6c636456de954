"""The player in virtual time: the same schedule and rules against simulated engines, as one discrete-event simulation.

No socket, no process, no waiting: time jumps from event to event. What the live player does about an engine that cannot
be reached has no counterpart here.
"""

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.load.cancel import Cancel, leaves_after
from imaxproxy.load.feeding import HELD_WEIGHT, row_weight
from imaxproxy.load.live_history import LiveHistory
from imaxproxy.load.player import Sink
from imaxproxy.load.rules import Ended, Rules
from imaxproxy.load.schedule import Scheduled
from imaxproxy.load.virtual_departures import Departures
from imaxproxy.load.virtual_exchange import LEFT, Recorder
from imaxproxy.load.virtual_item import Memory, VirtualItem
from imaxproxy.load.virtual_request import RequestMaker
from imaxproxy.metrics import WARMUP, Ask, Exchange, Outcome
from imaxproxy.power import PowerLine
from imaxproxy.sim import SAMPLE_NS, Assembly, Patience, VirtualCluster, VirtualStream, said_message
from imaxproxy.traces import TraceRow

_MOST_BLOCKED = 10_000
"""So many rows that wait for others are held; a closed loop reads on only when nothing else is left to do."""
_MANY_SAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Users:
    """What the people behind the requests do: the same flags as of the live player."""

    cancel: Cancel | None = None
    live: LiveHistory | None = None
    """Conversations go on with the engine's answers."""
    continuous_usage: bool = False
    """Each event tells its tokens: those of a stream that is given up are known."""


class VirtualPlayer:
    """Plays a schedule to its end; an Exchange for each request goes to `sink`.

    `tracks` says whether any request waits for others: only then are the ends of the last 200,000 remembered.
    `in_order`: offsets never fall, so that each row is read at its time; else as many are read ahead as `held_weight`
    has room for.
    """

    def __init__(
        self,
        assembly: Assembly,
        maker: RequestMaker,
        rules: Rules,
        sink: Sink,
        *,
        speed: float = 1.0,
        users: Users | None = None,
        tracks: bool = True,
        held_weight: int = HELD_WEIGHT,
        in_order: bool = True,
        power_sink: Callable[[PowerLine], None] | None = None,
    ) -> None:
        samples_power = power_sink is not None
        self.cluster = VirtualCluster(assembly, self._on_done, self._on_seen, samples_power=samples_power)
        self._maker, self._rules, self._sink, self._power_sink = maker, rules, sink, power_sink
        self._users = users or Users()
        self._speed, self._tracks, self._shape = speed, tracks, assembly.shape
        self._recorder = Recorder(
            assembly.shape, assembly.limits.model, rules.timeout_s, each_event_counts=self._users.continuous_usage
        )
        self._rows: Iterator[tuple[int | None, TraceRow]] = iter(())
        self._following: tuple[int | None, TraceRow] | None = None
        self._due: list[tuple[int, int, VirtualItem]] = []
        self._ready: deque[VirtualItem] = deque()  # closed loop: free to go once a place is
        self._blocked: dict[str, list[VirtualItem]] = {}
        self._blocked_items = 0
        self._blocked_weight, self._most_weight, self._in_order = 0, held_weight, in_order
        self._departures = Departures(round(rules.timeout_s * NS_PER_S))
        self._memory = Memory()
        self._numbers = itertools.count()
        self._in_flight = 0
        self._now_ns = 0
        self._zero_ns = 0
        self._idle_since_ns = 0
        self.idle_cut_ns = 0
        """See `Player.idle_cut_ns`."""
        self._ending: Ended | None = None
        self.outcomes: Counter[Outcome] = Counter()
        self.output_tokens = 0
        self.board_energy_j = 0.0
        """Of all boards, to the end of the run."""

    def __repr__(self) -> str:
        return f"<VirtualPlayer at {self._now_ns / NS_PER_S:.3f} s, {self.outcomes.total()} done>"

    def play(self, scheduled: Scheduled, warmup: Scheduled = ()) -> Ended:
        """Run until all has ended. Raises UsageError for a row that cannot be sent.

        warmup: what fills caches first; when the last of it has ended, the schedule begins.
        """
        if self._power_sink is not None:
            for device in self.cluster.devices():
                self._power_sink(device)
        self._run(warmup, None)
        self._memory.last_of_session.clear()  # the first turn that is measured follows none
        self._zero_ns = self._idle_since_ns = self._now_ns
        duration_s = self._rules.duration_s
        self._run(scheduled, None if duration_s is None else self._now_ns + round(duration_s * NS_PER_S))
        self._fail_never_ready()
        self._idle_until(self._now_ns)
        self.board_energy_j = self.cluster.energy_j
        if self._power_sink is not None:  # a reading beyond the last token, so that the whole run lies between two
            self._idle_until(self._now_ns + 2 * SAMPLE_NS)
        self._drain_power()
        return self._ending or Ended.FINISHED

    def _run(self, scheduled: Scheduled, limit_ns: int | None) -> None:
        """Until nothing is left to happen; after `limit_ns` nothing is sent."""
        self._rows = iter(scheduled)
        self._following = next(self._rows, None)
        while True:
            self._fill_places()
            at_ns, act = self._next_event()
            if at_ns is None or act is None:
                return
            if self._ending is None and limit_ns is not None and at_ns > limit_ns:
                self._close_gate()
                continue
            act(at_ns - self._cut_idle(at_ns))

    # What comes next --------------------------------------------------------------------------------------------------

    def _next_event(self) -> tuple[int | None, Callable[[int], None] | None]:
        """When and what; of two at one time a send goes before a step's end, and that before a reader who leaves."""
        at_ns: int | None = None
        act: Callable[[int], None] | None = None
        if self._due:
            at_ns, act = self._due[0][0], self._send_due
        if self._rules.concurrency is None and self._following is not None and self._reads_on(self._following[0]):
            offset_ns = self._zero_ns + (self._following[0] or 0) if self._in_order else self._now_ns
            if at_ns is None or offset_ns < at_ns:
                at_ns, act = offset_ns, self._take_following
        elif (opens_ns := self._place_opens_ns()) is not None and (at_ns is None or opens_ns < at_ns):
            at_ns, act = opens_ns, self._pass_time
        for other_ns, other in (
            (self.cluster.next_ns, self._advance),
            (self._departures.next_ns(), self._give_up_next),
        ):
            if other_ns is not None and (at_ns is None or other_ns < at_ns):
                at_ns, act = other_ns, other
        return at_ns, act

    def _reads_on(self, offset_ns: int | None) -> bool:
        """Rows that only wait for others are read as far as there is room: a trace may have no end."""
        has_its_time = self._in_order and offset_ns is not None
        has_room = has_its_time or self._blocked_weight < self._most_weight
        return has_room or not (self._due or self._in_flight)

    def _cut_idle(self, next_ns: int) -> int:
        """As `Player` does: by how much what comes next comes sooner, and all that waits with it."""
        longest_ns = self._rules.system_idle_ns
        if longest_ns is None or self._in_flight or next_ns <= self._idle_since_ns + longest_ns:
            return 0
        cut_ns = next_ns - self._idle_since_ns - longest_ns
        self.idle_cut_ns += cut_ns
        self._zero_ns -= cut_ns
        self._due = [(due_ns - cut_ns, number, item) for due_ns, number, item in self._due]  # still a heap
        return cut_ns

    def _close_gate(self) -> None:
        """Nothing is sent from here on; what is in flight goes on."""
        self._ending = Ended.DURATION
        self._due.clear()
        self._ready.clear()
        self._blocked.clear()
        self._following = None

    def _take_following(self, _at_ns: int) -> None:
        assert self._following is not None
        following, self._following = self._following, next(self._rows, None)
        self._offer(self._memory.item(*following, live=self._users.live is not None))

    def _pass_time(self, at_ns: int) -> None:
        self._now_ns = max(self._now_ns, at_ns)

    def _send_due(self, at_ns: int) -> None:
        _, _, item = heapq.heappop(self._due)
        if self._rules.concurrency is None:
            self._send(item, at_ns)
        else:
            self._pass_time(at_ns)
            self._ready.append(item)

    def _advance(self, _at_ns: int) -> None:
        self._now_ns = self.cluster.advance()
        if self._power_sink is not None and self.cluster.pending_samples > _MANY_SAMPLES:
            self._drain_power()

    # Closed loop ------------------------------------------------------------------------------------------------------

    def _fill_places(self) -> None:
        """Send as long as a place is free and there for it, reading rows as needed."""
        if self._rules.concurrency is None:
            return
        while self._in_flight < self._rules.concurrency and self._is_open():
            while not self._ready and self._following is not None and self._blocked_items < _MOST_BLOCKED:
                self._take_following(self._now_ns)
            if not self._ready:
                return
            self._send(self._ready.popleft(), self._now_ns)

    def _is_open(self) -> bool:
        return self._now_ns >= self._rules.place_opens_ns(self._in_flight)

    def _place_opens_ns(self) -> int | None:
        """When the next place of a ramp is there; None when nothing waits for it."""
        places = self._rules.concurrency or 0
        if self._in_flight >= places or not (self._ready or self._following is not None) or self._is_open():
            return None
        return self._rules.place_opens_ns(self._in_flight)

    # One request ------------------------------------------------------------------------------------------------------

    def _offer(self, item: VirtualItem) -> None:
        for name in item.missing:
            self._blocked.setdefault(name, []).append(item)
        self._blocked_items += bool(item.missing)
        self._blocked_weight += row_weight(item.row) if item.missing else 0
        if self._users.live is None:
            item.request = self._maker.request(item.row)  # in the trace's order: a session's history grows with it
        if not item.missing:
            self._admit(item)

    def _admit(self, item: VirtualItem) -> None:
        """All it waits for has ended; the wait counts from the last of these ends."""
        if self._users.live is not None:
            answer = self._memory.answers.pop(item.previous, None) if item.previous is not None else None
            item.request = self._maker.request(self._users.live.row(item.row, item.previous, answer))
        not_before_ns = 0
        if item.wait_for:
            ended_at_ns = self._memory.ended_at_ns
            not_before_ns = max(ended_at_ns.get(name, 0) for name in item.wait_for) + self._wait_ns(item.row)
        if self._rules.concurrency is None or not_before_ns > self._now_ns:
            due_ns = max(self._zero_ns + (item.offset_ns or 0), not_before_ns)
            heapq.heappush(self._due, (due_ns, next(self._numbers), item))
        else:
            self._ready.append(item)

    def _wait_ns(self, row: TraceRow) -> int:
        return round(row.wait_ms * NS_PER_MS / self._speed)

    def _send(self, item: VirtualItem, now_ns: int) -> None:
        self._now_ns = item.due_ns = max(now_ns, self._now_ns)
        request, ask = item.request, self._ask(item)
        assert request is not None
        if request.refused is not None:
            self._note(self._recorder.refused(ask, request, self._now_ns))
            self._idle_since_ns = self._now_ns
            self._release(item)
            return
        self._in_flight += 1
        stream = VirtualStream(item, self._now_ns, request.input_tokens, request.output_tokens, request.block_names)
        item.stream = stream
        events, after_ns = leaves_after(item.row, self._users.cancel)
        if events is not None:
            stream.patience = Patience(events, self._recorder.cutter(ask, stream))
        self._departures.watch(item, self._now_ns, after_ns)
        self.cluster.submit(stream, self._now_ns)

    def _on_done(self, stream: VirtualStream, now_ns: int) -> None:
        item = stream.key
        assert isinstance(item, VirtualItem)
        assert item.request is not None
        self._end(item, self._recorder.completed(self._ask(item), stream, item.request), now_ns)

    def _on_seen(self, stream: VirtualStream, now_ns: int) -> None:
        assert isinstance(stream.key, VirtualItem)
        self._give_up(stream.key, LEFT, now_ns)

    def _give_up_next(self, at_ns: int) -> None:
        item, why = self._departures.take(at_ns)
        self._give_up(item, why, at_ns)

    def _give_up(self, item: VirtualItem, why: str, now_ns: int) -> None:
        stream = item.stream
        assert stream is not None
        self.cluster.cancel(stream, now_ns)
        self._end(item, self._recorder.given_up(self._ask(item), stream, why, now_ns), now_ns)

    def _end(self, item: VirtualItem, exchange: Exchange, now_ns: int) -> None:
        self._in_flight -= 1
        self._now_ns = self._idle_since_ns = now_ns
        self._keep_answer(item)
        item.stream = None
        self._note(exchange)
        self._release(item)

    def _keep_answer(self, item: VirtualItem) -> None:
        """For the next turn of its conversation."""
        request, stream = item.request, item.stream
        if self._users.live is not None and item.row.session_id is not None and item.row.messages:
            assert stream is not None
            asked = request.asked if request is not None else None
            emitted = sum(stream.token_times_ns()[1])
            said = None if asked is None else said_message(asked, self._shape, emitted)
            self._memory.answers[item.row.request_id] = said

    def _release(self, item: VirtualItem) -> None:
        request_id = item.row.request_id
        if self._tracks:
            self._memory.end(request_id, self._now_ns)
        for blocked in self._blocked.pop(request_id, ()):
            blocked.missing.discard(request_id)
            if not blocked.missing:
                self._blocked_items -= 1
                self._blocked_weight -= row_weight(blocked.row)
                self._admit(blocked)

    def _fail_never_ready(self) -> None:
        """What waits for a request that is not in the trace can never be sent; it is counted, not dropped."""
        waiting = {id(item): item for items in self._blocked.values() for item in items}
        for item in waiting.values():
            ask = item.ask_unsent(self._maker.path_of(item.row), self._now_ns)
            detail = f"waits for {sorted(item.missing)}, which never ended"
            self._note(Exchange(ask, Outcome.FAILED, self._now_ns, error="never_ready", detail=detail))

    def _ask(self, item: VirtualItem) -> Ask:
        return item.ask(is_scheduled=self._rules.concurrency is None)

    def _note(self, exchange: Exchange) -> None:
        if exchange.ask.kind == WARMUP:
            self._sink(exchange)
            return
        self.outcomes[exchange.outcome] += 1
        self.output_tokens += exchange.output_tokens or 0
        self._sink(exchange)

    def _idle_until(self, time_ns: int) -> None:
        for counter in self.cluster.counters:
            counter.idle_until(time_ns)

    def _drain_power(self) -> None:
        if self._power_sink is not None:
            for sample in self.cluster.take_samples():
                self._power_sink(sample)
