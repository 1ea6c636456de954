"""Which captured requests follow each other: sessions, as a replay can play them."""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import count

MOST_NAMES = 100_000
MOST_LANES = 16


@dataclass(frozen=True, slots=True)
class Step:
    """One request, as far as it matters who follows whom."""

    name: str
    """A digest of what its session goes by: a header, or the opening of its conversation."""
    turn: int | None
    """By the request's own history; None where that does not say."""
    started_ms: float
    ended_ms: float
    blocks: list[int]
    """Of its prompt. Those of a conversation's next turn begin with them, but for the last, which may be a part."""


@dataclass(slots=True)
class _Lane:
    session_id: str
    turn: int
    ended_ms: float
    mark: tuple[int, int] | None
    """Place and digest of the latest prompt's last whole block, where it has one."""


class Sessions:
    """Sorts requests, told in the order in which they started, into rows that ran one after the other.

    A replay runs a session's rows one at a time. Requests of one name need not have done that: two users may open with
    the same words, and a program may ask in parallel. So a name has lanes: a request goes into the latest one that was
    free when it started and whose conversation it goes on with. Bounded: names used longest ago are forgotten, and of
    each name only the latest lanes are known.
    """

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, list[_Lane]] = OrderedDict()
        self._numbers = count(1)

    def place(self, step: Step) -> tuple[str, int, float | None]:
        """The session's id, the turn in it, and the ms since the turn before it ended; None on the first."""
        lanes = self._lanes.setdefault(step.name, [])
        self._lanes.move_to_end(step.name)
        if len(self._lanes) > MOST_NAMES:
            self._lanes.popitem(last=False)
        for lane in reversed(lanes):
            if _goes_on(step, lane):
                wait_ms = step.started_ms - lane.ended_ms
                lane.turn = lane.turn + 1 if step.turn is None else step.turn
                lane.ended_ms, lane.mark = step.ended_ms, _mark(step)
                return lane.session_id, lane.turn, wait_ms
        lane = _Lane(f"s{next(self._numbers)}", step.turn or 0, step.ended_ms, _mark(step))
        lanes.append(lane)
        del lanes[:-MOST_LANES]
        return lane.session_id, lane.turn, None


def _goes_on(step: Step, lane: _Lane) -> bool:
    if lane.ended_ms > step.started_ms:
        return False
    if step.turn is None:  # a name that was said
        return True
    if lane.mark is None:
        return step.turn > lane.turn
    place, digest = lane.mark
    return step.turn > lane.turn and len(step.blocks) > place and step.blocks[place] == digest


def _mark(step: Step) -> tuple[int, int] | None:
    place = len(step.blocks) - 2  # the last one may be a part
    return (place, step.blocks[place]) if place >= 0 else None
