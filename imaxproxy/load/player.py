"""The player: sends each item when it is due and measures what comes back. One loop for open and closed loads."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from imaxproxy.clock import NS_PER_S, Alarm, Clock, monotonic_ns
from imaxproxy.errors import WireError
from imaxproxy.load.item import Item
from imaxproxy.metrics import Ask, Exchange, Outcome
from imaxproxy.wire import DIALECTS, Answered, EngineConnection, Pool, Question, keyless

Sink = Callable[[Exchange], None]
LEAD_NS = NS_PER_S // 20
"""The schedule starts this long after the first item is here, so that the first ones are not late by birth."""
NO_ENGINE_AFTER = 20
"""So many failed connects in a row, with none before that went well, mean that there is no engine."""


class Ended(StrEnum):
    """Why a run ended."""

    FINISHED = "finished"
    DURATION = "duration"
    INTERRUPTED = "interrupted"
    NO_ENGINE = "no_engine"


@dataclass(frozen=True, slots=True)
class Rules:
    """How a load is played."""

    concurrency: int | None = None
    """Requests in flight of a closed loop; None: open loop, which waits for nobody."""
    duration_s: float | None = None
    """No request is sent after this."""
    timeout_s: float = 600.0
    """Of one request, from its send."""


class Player:
    """Takes items with `offer`, sends them when due, hands an Exchange for each to `sink`.

    An item is blocked until all it waits for have ended; then it waits for its time (open loop) or a place (closed).
    """

    def __init__(self, pool: Pool, rules: Rules, sink: Sink, clock_ns: Clock = monotonic_ns) -> None:
        self._pool, self._rules, self._sink, self._clock_ns = pool, rules, sink, clock_ns
        self._alarm = Alarm(asyncio.get_running_loop(), self._on_alarm)
        self._started_ns: int | None = None
        self._due: deque[tuple[int, Item]] = deque()  # open loop: in the order of the schedule
        self._late_due: list[tuple[int, Item]] = []  # open loop: freed by a predecessor's end, in any order
        self._ready: deque[Item] = deque()  # closed loop: free to go once a place is
        self._blocked: dict[str, list[_Blocked]] = {}
        self._ended_at_ns: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked: set[EngineConnection] = set()
        self._failed_connects = 0
        self._ever_connected = False
        self._no_more_items = False
        self._finished: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._ending: Ended | None = None
        self.outcomes: Counter[Outcome] = Counter()
        self.output_tokens = 0
        self.queued_bytes = 0
        """Of requests that were offered and not sent."""

    def __repr__(self) -> str:
        return f"<Player {len(self._tasks)} in flight, {self.outcomes.total()} done, {self.free} free to go>"

    @property
    def free(self) -> int:
        """Items that wait for their time or place, and for no other request."""
        return len(self._due) + len(self._late_due) + len(self._ready)

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    @property
    def started_ns(self) -> int | None:
        """The schedule's zero."""
        return self._started_ns

    def offer(self, item: Item) -> None:
        """Take an item; open-loop items must come in the order of their offsets."""
        if self._ending is not None:
            return
        if self._started_ns is None:
            self._start()
        self.queued_bytes += len(item.data)
        missing = {request_id for request_id in item.wait_for if request_id not in self._ended_at_ns}
        if missing:
            blocked = _Blocked(item, missing)
            for request_id in missing:
                self._blocked.setdefault(request_id, []).append(blocked)
        else:
            self._admit(item)

    def no_more_items(self) -> None:
        """The last item was offered."""
        self._no_more_items = True
        self._check_finished()

    def stop(self, ending: Ended) -> None:
        """Send nothing more and give up what is in flight: it is recorded as aborted."""
        self._close_gate(ending)
        self._ending = ending  # also when the gate was closed before, and what was in flight could go on
        for connection in list(self._asked):
            connection.give_up(_stopped(ending))
        self._check_finished()

    async def finished(self) -> Ended:
        """Wait until everything offered has ended, or the run was stopped."""
        ending = await self._finished
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._alarm.close()
        return ending

    # When to send -----------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._started_ns = self._clock_ns() + LEAD_NS
        if self._rules.duration_s is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(self._rules.duration_s + LEAD_NS / NS_PER_S, self._close_gate, Ended.DURATION)

    def _close_gate(self, ending: Ended) -> None:
        """Nothing is sent from here on; what is in flight goes on."""
        if self._ending is None:
            self._ending = ending
            self._due.clear()
            self._late_due.clear()
            self._ready.clear()
            self._blocked.clear()
            self.queued_bytes = 0
            self._check_finished()

    def _admit(self, item: Item) -> None:
        """All that the item waits for has ended; its wait counts from the last of these ends."""
        assert self._started_ns is not None
        last_end_ns = max((self._ended_at_ns[request_id] for request_id in item.wait_for), default=None)
        not_before_ns = 0 if last_end_ns is None else last_end_ns + item.wait_ns
        if self._rules.concurrency is not None:
            if not_before_ns > self._clock_ns():
                self._late_due.append((not_before_ns, item))
                self._set_alarm()
            else:
                self._ready.append(item)
                self._fill_places()
            return
        due_ns = max(self._started_ns + (item.offset_ns or 0), not_before_ns)
        if item.wait_for:
            self._late_due.append((due_ns, item))
        else:
            self._due.append((due_ns, item))
        self._set_alarm()

    def _set_alarm(self) -> None:
        first = [self._due[0][0]] if self._due else []
        later = min((due_ns for due_ns, _ in self._late_due), default=None)
        times_ns = first if later is None else [*first, later]
        if times_ns:
            self._alarm.set(min(times_ns))

    def _on_alarm(self) -> None:
        now_ns = self._clock_ns()
        while self._due and self._due[0][0] <= now_ns:
            due_ns, item = self._due.popleft()
            self._send(item, due_ns)
        arrived = [entry for entry in self._late_due if entry[0] <= now_ns]
        if arrived:
            self._late_due = [entry for entry in self._late_due if entry[0] > now_ns]
        for due_ns, item in sorted(arrived, key=lambda entry: entry[0]):
            if self._rules.concurrency is None:
                self._send(item, due_ns)
            else:
                self._ready.append(item)
        self._fill_places()
        self._set_alarm()

    def _fill_places(self) -> None:
        while self._ready and self._rules.concurrency is not None and len(self._tasks) < self._rules.concurrency:
            self._send(self._ready.popleft(), None)

    def _release(self, request_id: str) -> None:
        """A request has ended: what waited for it may go."""
        self._ended_at_ns[request_id] = self._clock_ns()
        for blocked in self._blocked.pop(request_id, ()):
            blocked.missing.discard(request_id)
            if not blocked.missing:
                self._admit(blocked.item)

    def _check_finished(self) -> None:
        if self._finished.done() or self._tasks:
            return
        if self._ending is not None:
            self._finished.set_result(self._ending)
        elif self._no_more_items and not (self._due or self._late_due or self._ready):
            self._fail_never_ready()
            self._finished.set_result(Ended.FINISHED)

    def _fail_never_ready(self) -> None:
        """What waits for a request that is not in the trace can never be sent; it is counted, not dropped."""
        waiting = {id(blocked): blocked for entries in self._blocked.values() for blocked in entries}
        self._blocked.clear()
        for blocked in waiting.values():
            ask = _ask(blocked.item, self._clock_ns(), None)
            detail = f"waits for {sorted(blocked.missing)}, which never ended"
            self._note(Exchange(ask, Outcome.FAILED, ask.started_ns, error="never_ready", detail=detail))

    # One request ------------------------------------------------------------------------------------------------------

    def _send(self, item: Item, scheduled_ns: int | None) -> None:
        self.queued_bytes -= len(item.data)
        task = asyncio.get_running_loop().create_task(self._play(item, scheduled_ns))
        self._tasks.add(task)
        task.add_done_callback(self._on_played)

    def _on_played(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        bug = task.exception()
        if bug is not None:  # ours, for what an engine does is data: the run ends with a traceback instead of hanging
            if not self._finished.done():
                self._finished.set_exception(bug)
            return
        self._fill_places()
        self._check_finished()

    async def _play(self, item: Item, scheduled_ns: int | None) -> None:
        started_ns = self._clock_ns()
        try:
            connection, connect_ns = await self._pool.take()
        except WireError as error:
            ask = _ask(item, started_ns, scheduled_ns)
            self._note(Exchange(ask, Outcome.FAILED, self._clock_ns(), error=error.kind, detail=str(error)))
            self._count_failed_connect()
        else:
            self._ever_connected = True
            answered = await self._ask_engine(connection, item)
            self._pool.give_back(connection)
            ask = _ask(item, started_ns, scheduled_ns, answered.sent_ns, connect_ns)
            self._note(keyless(_exchange(ask, answered), item.data))
        self._release(item.request_id)

    async def _ask_engine(self, connection: EngineConnection, item: Item) -> Answered:
        loop = asyncio.get_running_loop()
        answer = connection.ask(Question(item.data, DIALECTS.get(item.path)))
        timeout_s = self._rules.timeout_s
        too_late = WireError("timeout", f"no end within {timeout_s:g} s")
        timer = loop.call_later(timeout_s, connection.give_up, too_late)
        self._asked.add(connection)
        if self._ending is not None and self._ending is not Ended.DURATION:  # stopped while it was connecting
            connection.give_up(_stopped(self._ending))
        try:
            return await answer
        finally:
            timer.cancel()
            self._asked.discard(connection)

    def _count_failed_connect(self) -> None:
        self._failed_connects += 1
        if not self._ever_connected and self._failed_connects >= NO_ENGINE_AFTER:
            self._close_gate(Ended.NO_ENGINE)

    def _note(self, exchange: Exchange) -> None:
        self.outcomes[exchange.outcome] += 1
        self.output_tokens += exchange.output_tokens or 0
        self._sink(exchange)


@dataclass(slots=True)
class _Blocked:
    item: Item
    missing: set[str]


def _stopped(ending: Ended) -> WireError:
    return WireError("stopped", f"the run was stopped: {ending}")


def _ask(
    item: Item, started_ns: int, scheduled_ns: int | None, sent_ns: int | None = None, connect_ns: int | None = None
) -> Ask:
    return Ask(
        request_id=item.request_id,
        path=item.path,
        started_ns=started_ns,
        sent_ns=sent_ns,
        scheduled_ns=scheduled_ns,
        connect_ns=connect_ns,
        dialect=DIALECTS[item.path].name if item.path in DIALECTS else None,
        session_id=item.session_id,
        planned_input_tokens=item.input_tokens,
        planned_output_tokens=item.output_tokens,
    )


def _exchange(ask: Ask, answered: Answered) -> Exchange:
    broken = answered.broken
    stopped = broken is not None and broken.kind == "stopped"
    if answered.reception is not None:
        return answered.reception.close(ask, answered.ended_ns, broken, "stopped" if stopped else None)
    assert broken is not None  # a whole answer has a reception
    outcome = Outcome.ABORTED if stopped else Outcome.FAILED
    return Exchange(ask, outcome, answered.ended_ns, error=broken.kind, detail=str(broken))
