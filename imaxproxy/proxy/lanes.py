"""Which requests follow each other: sessions, as a replay can play them."""

from collections import OrderedDict
from dataclasses import dataclass

MOST_SESSIONS = 20_000
MOST_LANES = 16


@dataclass(slots=True)
class _Lane:
    number: int
    last_turn: int
    ended_ms: float


class Lanes:
    """Splits requests of one name, which may come at the same time, into rows that run one after the other.

    A replay runs a session's rows one at a time. Requests that share a conversation's opening, or a session header,
    need not have done that: two users may open with the same words. So each name has lanes: a request goes into the
    first one that was free when it started and in which its turn comes next. Bounded: the names used longest ago are
    forgotten, and of each only the latest lanes are known.
    """

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, list[_Lane]] = OrderedDict()

    def place(self, name: str, turn: int | None, started_ms: float, ended_ms: float) -> tuple[str, int]:
        """The session id, and the turn in it. `turn`: by the request's own history; None where it does not say."""
        lanes = self._lanes.setdefault(name, [])
        self._lanes.move_to_end(name)
        if len(self._lanes) > MOST_SESSIONS:
            self._lanes.popitem(last=False)
        for lane in lanes:
            if lane.ended_ms <= started_ms and (turn is None or turn > lane.last_turn):
                lane.last_turn = lane.last_turn + 1 if turn is None else turn
                lane.ended_ms = ended_ms
                return _id(name, lane.number), lane.last_turn
        lane = _Lane(lanes[-1].number + 1 if lanes else 1, turn or 0, ended_ms)
        lanes.append(lane)
        if len(lanes) > MOST_LANES:
            del lanes[0]
        return _id(name, lane.number), lane.last_turn


def name_of(session_id: str) -> str:
    """The name under which `place` put it."""
    return session_id.partition("/")[0]


def _id(name: str, lane: int) -> str:
    return name if lane == 1 else f"{name}/{lane}"
