"""When each scheduled row is made into a request: early enough to be on time, late enough to fit into memory.

A row waits until those that it follows have been sent (with live history: have been answered), so that of a session one
turn is made ahead and no more. Nothing here waits for a pipe: the worker says what it has sent, and that makes room.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from imaxproxy.load.item import Item
from imaxproxy.load.player import REMEMBERED
from imaxproxy.load.schedule import Scheduled
from imaxproxy.traces import TraceRow

QUEUE_ITEMS = 256
"""Requests made and not sent, those that wait for others left out: minutes of most traces."""
QUEUE_BYTES = 256 << 20
"""Of all that are made and not sent."""
HELD_WEIGHT = 100_000
"""Of rows read that wait for others; a trace that wants more is read on only when nothing else is left to do."""
_HASH_IDS_A_WEIGHT = 64
"""So many take as much memory as a row without any, 2 kB."""
Told = dict[str, Any]
"""A worker's line: `sent`, ids that left its queue; `done`, [id, answer or None] of those whose end was asked for."""
Make = Callable[["Turn"], Item]


@dataclass(frozen=True, slots=True)
class Turn:
    """A row in its place: what it follows, and what was answered there."""

    offset_ns: int | None
    row: TraceRow
    follows: tuple[str, ...]
    """Ids of the requests that must have ended before it is sent."""
    previous: str | None = None
    """The id of the row before it in its session."""
    answer: dict[str, Any] | None = None
    """What the engine answered to that one; None: it was not asked for, or there is none."""


@dataclass(slots=True)
class _Held:
    turn: Turn
    missing: set[str]


class Feeder:
    """Makes the items of one worker, in an order that what the worker says decides."""

    def __init__(
        self,
        scheduled: Scheduled,
        make: Make,
        *,
        live: bool = False,
        held_weight: int = HELD_WEIGHT,
        queue_items: int = QUEUE_ITEMS,
    ) -> None:
        self._scheduled, self._make, self._live = iter(scheduled), make, live
        self._most_held, self._most_queued = held_weight, queue_items
        self.told: SimpleQueue[Told | None] = SimpleQueue()
        """What the worker says, put here by whoever reads it; None: it has ended."""
        self._ready: deque[Turn] = deque()
        self._held: dict[str, list[_Held]] = {}
        self._held_weight = 0
        self._queued: dict[str, tuple[int, bool]] = {}  # made, not sent: (bytes, free to go)
        self._queued_bytes = 0
        self._queued_free = 0
        self._awaited: set[str] = set()  # made, and not yet at the point that frees those behind them
        self._reached: OrderedDict[str, None] = OrderedDict()
        self._answers: dict[str, dict[str, Any] | None] = {}
        self._last_of_session: dict[str, str] = {}
        self._worker_ended = False

    def __repr__(self) -> str:
        return f"<Feeder {len(self._queued)} queued, {self._held_weight} held, {len(self._ready)} ready>"

    def items(self) -> Iterator[Item]:
        """Until the schedule is over, or the worker. Raises UsageError for a row that cannot be sent."""
        exhausted = False
        while not self._worker_ended:
            if not self.told.empty():
                self._hear()
            elif self._ready and self._queued_bytes < QUEUE_BYTES:
                yield self._made(self._ready.popleft())
            elif not exhausted and self._has_room():
                scheduled = next(self._scheduled, None)
                exhausted = scheduled is None
                if scheduled is not None:
                    self._place(self._turn(*scheduled))
            elif exhausted and not self._ready and not (self._held and self._awaited):
                yield from map(self._made, self._never_freed())
                return
            else:
                self._hear()

    def _has_room(self) -> bool:
        if self._held_weight >= self._most_held and self._awaited:
            return False
        return self._queued_free < self._most_queued and self._queued_bytes < QUEUE_BYTES

    def _turn(self, offset_ns: int | None, row: TraceRow) -> Turn:
        """A row follows what it names, else the row before it in its session."""
        previous = None
        if row.session_id is not None:
            previous = self._last_of_session.pop(row.session_id, None)
            self._last_of_session[row.session_id] = row.request_id  # behind all others: the oldest is forgotten
            if len(self._last_of_session) > REMEMBERED:
                del self._last_of_session[next(iter(self._last_of_session))]
        return Turn(offset_ns, row, row.wait_for or ((previous,) if previous is not None else ()), previous)

    def _place(self, turn: Turn) -> None:
        behind = set(turn.follows)
        if turn.row.messages and turn.previous is not None:
            behind.add(turn.previous)  # conversations are put together in their order
        missing = behind - self._reached.keys()
        if not missing:
            self._ready.append(turn)
            return
        held = _Held(turn, missing)
        self._held_weight += row_weight(turn.row)
        for request_id in missing:
            self._held.setdefault(request_id, []).append(held)

    def _made(self, turn: Turn) -> Item:
        if self._live and turn.previous in self._answers:
            turn = Turn(turn.offset_ns, turn.row, turn.follows, turn.previous, self._answers.pop(turn.previous))
        item = self._make(turn)
        self._queued[item.request_id] = len(item.data), not turn.follows
        self._queued_bytes += len(item.data)
        self._queued_free += not turn.follows
        self._awaited.add(item.request_id)
        return item

    def _hear(self) -> None:
        """Take in one thing that the worker says; waits for it."""
        told = self.told.get()
        if told is None:
            self._worker_ended = True
            return
        for request_id in told.get("sent", ()):
            data_bytes, free = self._queued.pop(request_id, (0, False))
            self._queued_bytes -= data_bytes
            self._queued_free -= free
            if not self._live:
                self._reach(request_id)
        for request_id, answer in told.get("done", ()):
            if self._live:
                self._answers[request_id] = answer
                self._reach(request_id)

    def _reach(self, request_id: str) -> None:
        """What follows this one may be made."""
        self._awaited.discard(request_id)
        if len(self._reached) >= REMEMBERED:
            self._reached.popitem(last=False)
        self._reached[request_id] = None
        for held in self._held.pop(request_id, ()):
            held.missing.discard(request_id)
            if not held.missing:
                self._held_weight -= row_weight(held.turn.row)
                self._ready.append(held.turn)

    def _never_freed(self) -> Iterable[Turn]:
        """Rows that wait for what is not in the trace: the player counts them as never ready."""
        waiting = {id(held): held.turn for entries in self._held.values() for held in entries}
        self._held.clear()
        self._held_weight = 0
        return waiting.values()


def row_weight(row: TraceRow) -> int:
    """Memory of a row that is held, in rows without hash ids."""
    return 1 + len(row.hash_ids) // _HASH_IDS_A_WEIGHT
