"""The player: sends each item when it is due and measures what comes back. One loop for open and closed loads."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from imaxproxy.clock import NS_PER_S, Alarm, Clock, monotonic_ns
from imaxproxy.errors import WireError
from imaxproxy.load.answer_tokens import AnswerTokens
from imaxproxy.load.attempt import Attempt, Connector, ask_of
from imaxproxy.load.item import Item
from imaxproxy.load.rules import Ended, Rules
from imaxproxy.metrics import WARMUP, Exchange, LiveMeter, Outcome
from imaxproxy.wire import Pool, gap_counter

Sink = Callable[[Exchange], None]
LEAD_NS = NS_PER_S // 20
"""The schedule starts this long after the first item is here, so that the first ones are not late by birth."""
NO_ENGINE_AFTER = 20
"""So many failed connects in a row, with none before that went well, mean that there is no engine."""
REMEMBERED = 200_000
"""Ends that are remembered for requests that name them in `wait_for`; an older one counts as never ended."""
RETRY_WAIT_NS = NS_PER_S // 2
"""Before the first retry; each further one waits twice as long."""
_RETRIED = frozenset(
    {"reset", "no_response", "timeout", "http_408", "http_429", "http_500", "http_502", "http_503", "http_504"}
)


class Listener(Protocol):
    """Hears of items on their way: whoever makes them makes the next ones then."""

    def on_sent(self, item: Item) -> None:
        """It has left the queue."""

    def on_ended(self, item: Item, attempt: Attempt | None) -> None:
        """Its last attempt has ended; None: there was none."""


@dataclass(order=True, slots=True)
class _Due:
    """An item whose time is known."""

    at_ns: int
    order: int
    item: Item = field(compare=False)
    scheduled_ns: int | None = field(compare=False)
    attempt: int = field(default=0, compare=False)


@dataclass(slots=True)
class _Blocked:
    item: Item
    missing: set[str]


class Player:
    """Takes items with `offer`, sends them when due, hands an Exchange for each attempt to `sink`.

    An item is blocked until all it waits for have ended; then it waits for its time (open loop) or a place (closed).
    `start` sets the schedule's zero; without it the first item does.
    """

    def __init__(
        self,
        pool: Pool,
        rules: Rules,
        sink: Sink,
        clock_ns: Clock = monotonic_ns,
        listener: Listener | None = None,
        *,
        starts_itself: bool = True,
        counter: AnswerTokens | None = None,
    ) -> None:
        """counter: counts the tokens of answers whose engine does not; None: they are unknown."""
        self._counter = counter
        self._rules, self._sink, self._clock_ns, self._listener = rules, sink, clock_ns, listener
        self._loop = asyncio.get_running_loop()
        self._connector = Connector(pool, None if counter is None else counter.budget)
        self._alarm = Alarm(self._loop, self._on_alarm)
        self._starts_itself = starts_itself
        self._before_start: list[Item] = []
        self._started_ns: int | None = None
        self._order = count()
        self._due: deque[_Due] = deque()  # open loop: in the order of the schedule
        self._late_due: list[_Due] = []  # a heap: freed by a predecessor's end, out of order, or to be tried again
        self._ready: deque[_Due] = deque()  # closed loop: free to go once a place is
        self._blocked: dict[str, list[_Blocked]] = {}
        self._ended_at_ns: OrderedDict[str, int] = OrderedDict()  # of a dict that forgets, the first key is 20 us away
        self._attempts: set[Attempt] = set()
        self.live = LiveMeter(self._attempts, clock_ns, count_gaps=gap_counter())
        """Looks at them when it is asked."""
        self._failed_connects = 0
        self._ever_connected = False
        self._no_more_items = False
        self._finished: asyncio.Future[Ended] = self._loop.create_future()
        self._ending: Ended | None = None
        self._longest_idle_ns = rules.system_idle_ns
        self._idle_since_ns = 0
        self.idle_cut_ns = 0
        """What is still to come leaves so much sooner than the schedule says: time in which nothing was in flight."""
        self.warming = 0
        """Requests of those before the start that have not ended."""
        self.on_warm: Callable[[], None] | None = None
        """Called whenever none of them is left."""
        self.outcomes: Counter[Outcome] = Counter()
        self.output_tokens = 0

    def __repr__(self) -> str:
        return f"<Player {self.in_flight} in flight, {self.outcomes.total()} done, {self.free} free to go>"

    @property
    def free(self) -> int:
        """Items that wait for their time or place, and for no other request."""
        return len(self._due) + len(self._late_due) + len(self._ready) + len(self._before_start)

    @property
    def in_flight(self) -> int:
        return len(self._attempts)

    @property
    def started_ns(self) -> int | None:
        """The schedule's zero."""
        return self._started_ns

    def start(self, zero_ns: int) -> None:
        """Set the schedule's zero: several workers are told the same one."""
        self._started_ns = self._idle_since_ns = zero_ns
        if self._rules.duration_s is not None:
            left_s = self._rules.duration_s + (zero_ns - self._clock_ns()) / NS_PER_S
            self._loop.call_later(max(left_s, 0.0), self._close_gate, Ended.DURATION)
        waiting, self._before_start = self._before_start, []
        for item in waiting:
            self._take(item)
        self._check_finished()  # where none of all can ever be sent, no end of one asks

    def offer(self, item: Item) -> None:
        """Take an item; of an open loop best in the order of their offsets, those before the start first."""
        if self._ending is not None:
            return
        if item.before_start:
            self.warming += 1
            self._take(item)
            return
        if self._started_ns is None and self._starts_itself:
            self.start(self._clock_ns() + LEAD_NS)
        if self._started_ns is None:
            self._before_start.append(item)
        else:
            self._take(item)

    def no_more_items(self) -> None:
        """The last item was offered."""
        self._no_more_items = True
        self._check_finished()

    def stop(self, ending: Ended) -> None:
        """Send nothing more and give up what is in flight: it is recorded as aborted."""
        self._close_gate(ending)
        self._ending = ending  # also when the gate was closed before, and what was in flight could go on
        for attempt in list(self._attempts):
            attempt.give_up(WireError("stopped", f"the run was stopped: {ending}"))
        self._check_finished()

    async def finished(self) -> Ended:
        """Wait until everything offered has ended, or the run was stopped."""
        try:
            return await self._finished
        finally:
            self._alarm.close()

    # When to send -----------------------------------------------------------------------------------------------------

    def _close_gate(self, ending: Ended) -> None:
        """Nothing is sent from here on; what is in flight goes on."""
        if self._ending is None:
            self._ending = ending
            for queue in (self._due, self._late_due, self._ready, self._blocked, self._before_start):
                queue.clear()
            self._check_finished()

    def _take(self, item: Item) -> None:
        missing = {request_id for request_id in item.wait_for if request_id not in self._ended_at_ns}
        if not missing:
            self._admit(item)
            return
        blocked = _Blocked(item, missing)
        for request_id in missing:
            self._blocked.setdefault(request_id, []).append(blocked)

    def _admit(self, item: Item) -> None:
        """All that the item waits for has ended; its wait counts from the last of these ends."""
        if item.before_start:
            self._send(_Due(0, next(self._order), item, None))
            return
        assert self._started_ns is not None
        last_end_ns = max((self._ended_at_ns.get(request_id, 0) for request_id in item.wait_for), default=None)
        not_before_ns = 0 if last_end_ns is None else last_end_ns + item.wait_ns
        if self._rules.concurrency is not None:
            due = _Due(not_before_ns, next(self._order), item, None)
            if not_before_ns > self._clock_ns():
                heappush(self._late_due, due)
                self._set_alarm()
            else:
                self._ready.append(due)
                self._fill_places()
            return
        due_ns = max(self._started_ns + (item.offset_ns or 0) - self.idle_cut_ns, not_before_ns)
        due = _Due(due_ns, next(self._order), item, due_ns)
        if item.wait_for or (self._due and due_ns < self._due[-1].at_ns):  # lanes begin in the order of the trace
            heappush(self._late_due, due)
            if self._late_due[0] is due:
                self._set_alarm()
        else:
            self._due.append(due)
            if len(self._due) == 1:
                self._set_alarm()

    def _set_alarm(self) -> None:
        times_ns = [queue[0].at_ns for queue in (self._due, self._late_due) if queue]
        if self._ready and (opens_ns := self._next_place_opens_ns()) is not None:
            times_ns.append(opens_ns)
        if times_ns:
            first_ns = min(times_ns)
            if self._longest_idle_ns is not None and not self._attempts:
                first_ns = min(first_ns, self._idle_since_ns + self._longest_idle_ns)
            self._alarm.set(first_ns)

    def _on_alarm(self) -> None:
        now_ns = self._clock_ns()
        self._cut_idle(now_ns)
        while self._due and self._due[0].at_ns <= now_ns:
            self._send(self._due.popleft())
        while self._late_due and self._late_due[0].at_ns <= now_ns:
            due = heappop(self._late_due)
            if self._rules.concurrency is None:
                self._send(due)
            elif due.attempt:
                self._ready.appendleft(due)
            else:
                self._ready.append(due)
        self._fill_places()
        self._set_alarm()

    def _cut_idle(self, now_ns: int) -> None:
        """When nothing has been in flight for too long: bring all that waits forward, so that its first leaves now.

        Only then, and not when it begins: what follows the last answer may still be on its way here.
        """
        waiting = [queue[0].at_ns for queue in (self._due, self._late_due) if queue]
        if self._longest_idle_ns is None or self._attempts or not waiting:
            return
        cut_ns = min(waiting) - now_ns
        if now_ns < self._idle_since_ns + self._longest_idle_ns or cut_ns <= 0:
            return
        self.idle_cut_ns += cut_ns
        for due in (*self._due, *self._late_due):  # all by the same: their order stays, and the heap a heap
            due.at_ns -= cut_ns
            due.scheduled_ns = None if due.scheduled_ns is None else due.scheduled_ns - cut_ns

    def _fill_places(self) -> None:
        """Closed loop: send as long as a place is free and there for it."""
        if self._rules.concurrency is None or not self._ready:
            return
        assert self._started_ns is not None
        ran_ns = self._clock_ns() - self._started_ns
        while self._ready and len(self._attempts) < self._rules.concurrency:
            if self._rules.ramp_s and ran_ns < self._rules.place_opens_ns(len(self._attempts)):
                self._set_alarm()
                return
            self._send(self._ready.popleft())

    def _next_place_opens_ns(self) -> int | None:
        """The time at which the next place of a ramp is there; None without a ramp, or when all are taken."""
        place = len(self._attempts)
        if not self._rules.ramp_s or self._started_ns is None or place >= (self._rules.concurrency or 0):
            return None
        return self._started_ns + self._rules.place_opens_ns(place)

    def _check_finished(self) -> None:
        if self._finished.done() or self._attempts:
            return
        if self._ending is not None:
            self._finished.set_result(self._ending)
        elif self._no_more_items and not self.free:
            self._fail_never_ready()
            self._finished.set_result(Ended.FINISHED)

    def _fail_never_ready(self) -> None:
        """What waits for a request that is not in the trace can never be sent; it is counted, not dropped."""
        waiting = {id(blocked): blocked for entries in self._blocked.values() for blocked in entries}
        self._blocked.clear()
        for blocked in waiting.values():
            ask = ask_of(blocked.item, self._clock_ns(), None)
            detail = f"waits for {sorted(blocked.missing)}, which never ended"
            self._note(Exchange(ask, Outcome.FAILED, ask.started_ns, error="never_ready", detail=detail))

    # One request ------------------------------------------------------------------------------------------------------

    def _send(self, due: _Due) -> None:
        attempt = Attempt(due.item, due.scheduled_ns, due.attempt, self._rules.timeout_s, self._on_ended, self.fail)
        self._attempts.add(attempt)
        if self._listener is not None and not due.attempt:
            self._listener.on_sent(due.item)
        attempt.start(self._connector, self._clock_ns)

    def _on_ended(self, attempt: Attempt, exchange: Exchange) -> None:
        self._attempts.discard(attempt)
        if self.live.is_on:
            self.live.ended(attempt, exchange)
        self._count_connect(exchange)
        self._note(exchange, attempt.body)
        if not self._tries_again(attempt, exchange):
            self._release(attempt.item, attempt)
        self._fill_places()
        if not self._attempts and self._longest_idle_ns is not None:
            self._idle_since_ns = self._clock_ns()
            self._set_alarm()
        self._check_finished()

    def _tries_again(self, attempt: Attempt, exchange: Exchange) -> bool:
        if (
            attempt.item.before_start
            or attempt.number >= self._rules.retries
            or self._ending is not None
            or not _is_worth_a_retry(exchange)
        ):
            return False
        at_ns = self._clock_ns() + (RETRY_WAIT_NS << attempt.number)
        due = _Due(at_ns, next(self._order), attempt.item, attempt.scheduled_ns, attempt.number + 1)
        heappush(self._late_due, due)
        self._set_alarm()
        return True

    def _release(self, item: Item, attempt: Attempt) -> None:
        """A request has ended: what waited for it may go."""
        if len(self._ended_at_ns) >= REMEMBERED:
            self._ended_at_ns.popitem(last=False)
        self._ended_at_ns[item.request_id] = self._clock_ns()
        for blocked in self._blocked.pop(item.request_id, ()):
            blocked.missing.discard(item.request_id)
            if not blocked.missing:
                self._admit(blocked.item)
        if self._listener is not None:
            self._listener.on_ended(item, attempt)
        if item.before_start:
            self.warming -= 1
            if not self.warming and self.on_warm is not None:
                self.on_warm()

    def _count_connect(self, exchange: Exchange) -> None:
        if not (exchange.error or "").startswith("connect_"):
            self._ever_connected = True
            return
        self._failed_connects += 1
        if not self._ever_connected and self._failed_connects >= NO_ENGINE_AFTER:
            self._close_gate(Ended.NO_ENGINE)

    def fail(self, bug: BaseException) -> None:
        """A bug of ours ends the run with its traceback instead of hanging it."""
        if not self._finished.done():
            self._finished.set_exception(bug)

    def _note(self, exchange: Exchange, body: bytes | None = None) -> None:
        """body: of an answer whose tokens are to be counted."""
        if exchange.ask.kind == WARMUP:
            self._sink(exchange)
            return
        self.outcomes[exchange.outcome] += 1
        if body is not None and self._counter is not None:
            self._counter.count(exchange, body, self._hand_on)
        else:
            self._hand_on(exchange)

    def _hand_on(self, exchange: Exchange) -> None:
        self.output_tokens += exchange.output_tokens or 0
        self._sink(exchange)


def _is_worth_a_retry(exchange: Exchange) -> bool:
    """It failed before its first token, of something that may pass."""
    error = exchange.error or ""
    failed = exchange.outcome is Outcome.FAILED and not len(exchange.timeline)
    return failed and (error in _RETRIED or error.startswith("connect_"))
