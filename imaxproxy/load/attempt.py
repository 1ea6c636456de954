"""One request under way: its connection, its time limit, its cancellation, and the Exchange that comes of it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from imaxproxy.clock import NS_PER_S, Clock
from imaxproxy.errors import WireError
from imaxproxy.load.answer import Answer
from imaxproxy.load.item import Item
from imaxproxy.metrics import WARMUP, Ask, CountedBy, Exchange, Flow, Outcome, Who
from imaxproxy.wire import DIALECTS, Answered, EngineConnection, KeptBudget, Pool, Question, ResponseHead, keyless

CONNECTS_AT_ONCE = 64
"""More at the same time overflow an engine's accept queue (128 on old kernels), and the kernel repeats a SYN that was
dropped only after a second."""
STALE = "stale_connection"
"""As the proxy calls it: the engine had closed the kept connection before the request came, and not a byte of an answer
did; put again on a fresh one, once. llama.cpp closes after each stream though it says that it keeps the connection."""
LEFT = frozenset({"stopped", "cancelled"})
"""Reasons for giving up that are ours: the engine has not failed."""


class Connector:
    """Hands out connections: one that is open at once, or else a new one when its turn has come."""

    def __init__(self, pool: Pool, keep: KeptBudget | None = None) -> None:
        """keep: what may be kept of answers, for a tokenizer; None: nothing is."""
        self.pool, self.keep = pool, keep
        self._turns = asyncio.Semaphore(CONNECTS_AT_ONCE)

    async def connect(self, *, fresh: bool) -> tuple[EngineConnection, int | None]:
        """As `Pool.take`."""
        async with self._turns:
            return await self.pool.take(fresh=fresh)


class Attempt:
    """Sends an item once; again only where a kept connection turns out to be closed (`STALE`).

    `on_end` is called once, with the Exchange; what the engine does never raises.
    """

    __slots__ = (
        "_clock_ns",
        "_connect_ns",
        "_connection",
        "_connector",
        "_loop",
        "_on_bug",
        "_on_end",
        "_reason",
        "_retried",
        "_started_ns",
        "_task",
        "_timeout_s",
        "_timers",
        "answer",
        "body",
        "item",
        "number",
        "scheduled_ns",
    )

    def __init__(
        self,
        item: Item,
        scheduled_ns: int | None,
        number: int,
        timeout_s: float,
        on_end: Callable[["Attempt", Exchange], None],
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self.item, self.scheduled_ns, self.number = item, scheduled_ns, number
        self.answer = Answer() if item.keep_answer else None
        self.body: bytes | None = None
        """What came of an answer whose tokens the engine did not tell, once it has ended; None where nobody counts."""
        self._timeout_s, self._on_end, self._on_bug = timeout_s, on_end, on_bug
        self._connection: EngineConnection | None = None
        self._connect_ns: int | None = None
        self._retried: str | None = None
        self._reason: WireError | None = None
        self._task: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def is_asked(self) -> bool:
        """The engine has been sent the request."""
        return self._connection is not None

    def start(self, connector: Connector, clock_ns: Clock) -> None:
        """Send it now if a connection is open, else as soon as one is."""
        self._loop = asyncio.get_running_loop()
        self._connector, self._clock_ns, self._started_ns = connector, clock_ns, clock_ns()
        connection = connector.pool.idle()
        if connection is not None:  # without a task: the usual case costs a fifth less
            self._ask(connection)
        else:
            self._open_one(fresh=False)

    def who(self) -> Who:
        """For whoever looks at what is in flight."""
        item = self.item
        return Who(item.request_id, self._started_ns, is_measured=item.kind != WARMUP and item.path in DIALECTS)

    def flow(self) -> Flow | None:
        """As `EngineConnection.flow`."""
        return None if self._connection is None else self._connection.flow()

    def give_up(self, reason: WireError) -> None:
        """End it now, whatever has come; while it still connects, as soon as that is over."""
        self._reason = self._reason or reason
        if self._connection is not None:
            self._connection.give_up(reason)

    def _open_one(self, *, fresh: bool) -> None:
        self._task = self._loop.create_task(self._connect(fresh=fresh))
        self._task.add_done_callback(self._on_task_done)

    async def _connect(self, *, fresh: bool) -> None:
        try:
            connection, self._connect_ns = await self._connector.connect(fresh=fresh)
        except WireError as error:
            self._end(Exchange(self._made_ask(), Outcome.FAILED, self._clock_ns(), error=error.kind, detail=str(error)))
            return
        if self._reason is not None:  # nothing was sent, and nothing will be
            self._connector.pool.give_back(connection)
            self._end(_unanswered(self._made_ask(), self._reason, self._clock_ns()))
            return
        self._ask(connection)

    def _ask(self, connection: EngineConnection) -> None:
        item, later = self.item, self._loop.call_later
        self._connection = connection
        dialect = DIALECTS.get(item.path)
        keep = None if item.kind == WARMUP else self._connector.keep
        if item.cancel_after_tokens is None and self.answer is None:
            question = Question(item.data, dialect, keep=keep)
        else:
            question = Question(item.data, dialect, on_head=self._on_head, keep=keep)
        answered = connection.ask(question)
        answered.add_done_callback(self._on_answered)
        too_late = WireError("timeout", f"no end within {self._timeout_s:g} s")
        self._timers.append(later(self._timeout_s, self.give_up, too_late))
        if item.cancel_after_ns is not None:
            self._timers.append(later(item.cancel_after_ns / NS_PER_S, self.give_up, _cancelled()))

    def _on_head(self, head: ResponseHead) -> Callable[[bytes], None] | None:
        if self.answer is not None:
            self.answer.begin(head)
        return self._on_read

    def _on_read(self, data: bytes) -> None:
        if self.answer is not None:
            self.answer.reads.append(data)
        if self.item.cancel_after_tokens is not None:
            self._loop.call_soon(self._count_tokens)  # the read itself is stamped and kept behind this call

    def _count_tokens(self) -> None:
        limit, connection = self.item.cancel_after_tokens, self._connection
        if limit is not None and connection is not None and connection.token_events() >= limit:
            self.give_up(_cancelled())

    def _on_answered(self, answered: "asyncio.Future[Answered]") -> None:
        try:
            self._take(answered.result())
        except Exception as bug:  # ours, for what an engine does is data: the player ends the run with it
            self._on_bug(bug)

    def _take(self, answered: Answered) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        connection, self._connection = self._connection, None
        assert connection is not None
        self._connector.pool.give_back(connection)
        if answered.silent and self._connect_ns is None and self._reason is None:
            self._retried = STALE
            self._open_one(fresh=True)
            return
        exchange = keyless(_exchange(self._made_ask(answered.sent_ns), answered), self.item.data)
        self.body = _uncounted(exchange, answered)
        self._end(exchange)

    def _end(self, exchange: Exchange) -> None:
        self._on_end(self, exchange)

    def _on_task_done(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        if not task.cancelled() and (bug := task.exception()) is not None:
            self._on_bug(bug)

    def _made_ask(self, sent_ns: int | None = None) -> Ask:
        ask = ask_of(self.item, self._started_ns, self.scheduled_ns, sent_ns, self._connect_ns, self.number)
        return ask if self._retried is None else replace(ask, retried=self._retried)


def ask_of(
    item: Item,
    started_ns: int,
    scheduled_ns: int | None,
    sent_ns: int | None = None,
    connect_ns: int | None = None,
    attempt: int = 0,
) -> Ask:
    """The request's side of an Exchange."""
    dialect = DIALECTS.get(item.path)
    return Ask(
        request_id=item.request_id,
        path=item.path,
        started_ns=started_ns,
        sent_ns=sent_ns,
        scheduled_ns=scheduled_ns,
        connect_ns=connect_ns,
        dialect=None if dialect is None else dialect.name,
        session_id=item.session_id,
        planned_input_tokens=item.input_tokens,
        planned_output_tokens=item.output_tokens,
        attempt=attempt or None,
        kind=item.kind,
    )


def _exchange(ask: Ask, answered: Answered) -> Exchange:
    broken = answered.broken
    if answered.reception is not None:
        left = broken.kind if broken is not None and broken.kind in LEFT else None
        return answered.reception.close(ask, answered.ended_ns, broken, left)
    assert broken is not None  # a whole answer has a reception
    return _unanswered(ask, broken, answered.ended_ns)


def _uncounted(exchange: Exchange, answered: Answered) -> bytes | None:
    """The answer's body, where its tokens are not known and it was kept."""
    if exchange.counted_by is not CountedBy.EVENTS or not len(exchange.timeline) or answered.reception is None:
        return None
    try:
        return answered.reception.kept_body()
    except WireError:  # its framing broke: the Exchange says so
        return None


def _unanswered(ask: Ask, broken: WireError, ended_ns: int) -> Exchange:
    outcome = Outcome.ABORTED if broken.kind in LEFT else Outcome.FAILED
    return Exchange(ask, outcome, ended_ns, error=broken.kind, detail=str(broken))


def _cancelled() -> WireError:
    return WireError("cancelled", "the load says that this user leaves now")
