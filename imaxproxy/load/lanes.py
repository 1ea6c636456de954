"""Agent lanes, as InferenceX's AgentX has them: so many session trees at work at any time, the first ones in mid-work.

Lane k plays trees k, k + lanes, k + 2 lanes, ... of the trace, each from the end of the one before, over and over; each
time with ids, hashes and a salt of its own, so that it is a new conversation to every cache. Which lane plays what is
part of the schedule: two engines are asked the same, however fast they are.

The first tree of each lane starts in its middle. Before the schedule's zero a request of a single token brings the
prompt of the last turn that is left out, so that caches hold what they would hold in a long run.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from imaxproxy.clock import NS_PER_MS
from imaxproxy.errors import UsageError
from imaxproxy.load.feeding import QUEUE_ITEMS, row_weight
from imaxproxy.load.schedule import Scheduled
from imaxproxy.metrics import WARMUP
from imaxproxy.traces import MidStart, SessionTrees, TextSalt, TraceRow, of_lap

_TREES_HELD = 3
"""For each lane: the one that it plays, and those that lanes with shorter ones have got ahead."""
_LEAST_HELD = 2_000
ReadTrace = Callable[[], Iterable[TraceRow]]
"""Opens the trace anew: each lap reads it once."""


@dataclass(frozen=True, slots=True)
class _End:
    """The last request of one session of a tree."""

    request_id: str
    main_turns: int
    """Turns of the tree's main session up to it: a tree that starts behind them leaves it out."""


@dataclass(slots=True)
class _Lap:
    """How far one reading of the trace has come."""

    number: int
    midway: frozenset[str]
    """Trees that start in their middle in this lap."""
    warm: set[str] = field(default_factory=set)
    """Requests of the warm-up: they have ended when the schedule begins."""
    begun: set[str] = field(default_factory=set)
    """Sessions of which a measured row has come."""
    zero_ms: dict[str, float | None] = field(default_factory=dict)
    """Tree -> the stamp of its first measured row."""


class LanePlan:
    """The schedule of all lanes. `look` at the trace once; then workers draw from it, each for itself."""

    def __init__(self, lanes: int, seed: int, start: tuple[float, float] = (0.25, 0.75), advances: int = 0) -> None:
        """start: shares between which each lane's first tree begins.  advances: see MidStart."""
        self._lanes = lanes
        self._mid_start = MidStart(seed, *start, advances)
        self._trees: dict[str, dict[str, _End]] = {}
        """Root of each tree, in the trace's order -> the end of each of its sessions."""
        self._roots: list[str] = []
        self._places: dict[str, int] = {}
        self._first_weight = 0
        """Of the rows of the trees with which lanes begin."""

    def __repr__(self) -> str:
        return f"<LanePlan {self._lanes} lanes, {len(self._trees)} session trees>"

    @property
    def trees(self) -> int:
        return len(self._trees)

    def look(self, rows: Iterable[TraceRow]) -> None:
        """Read the trace. Raises UsageError for one without sessions."""
        trees, main_turns = SessionTrees(), Counter[str]()
        named = False
        for row in rows:
            root = trees.root(row)
            named = named or row.session_id is not None
            main_turns[root] += row.session_id == root
            self._mid_start.add(row, root)
            ends = self._trees.setdefault(root, {})
            if len(self._trees) <= self._lanes:
                self._first_weight += row_weight(row)
            ends[row.session_id or row.request_id] = _End(row.request_id, main_turns[root])
        self._roots = list(self._trees)
        self._places = {root: place for place, root in enumerate(self._roots)}
        if not named:
            raise UsageError("--lanes plays sessions, and no row of this trace names one: use --concurrency")

    @property
    def held_weight(self) -> int:
        """So many rows may wait for others: those of a tree all stand before the next one's, which begins beside it."""
        return max(_LEAST_HELD, _TREES_HELD * self._first_weight)

    @property
    def queue_items(self) -> int:
        """So many requests may be made and not sent: every lane's first, which may be the last to leave."""
        return max(QUEUE_ITEMS, self._lanes + 1)

    def warmups(self, read: ReadTrace, salt: TextSalt) -> Iterator[TraceRow]:
        """What fills the caches before the schedule begins; each waits for those that it names."""
        for number in range(-(-self._lanes // max(1, self.trees))):
            lap, trees = self._lap(number), SessionTrees()
            for row in self._mid_start.apply(read(), only=lap.midway):
                root = trees.root(row)
                if row.request_kind == WARMUP:
                    yield salt.marked(of_lap(row, number), f"{root}~{number}")

    def scheduled(self, read: ReadTrace, salt: TextSalt, speed: float = 1.0) -> Scheduled:
        """All that is measured, without end. Offsets are of rows with which a lane begins; others follow by waiting."""
        for number in count():
            lap, trees = self._lap(number), SessionTrees()
            for row in self._mid_start.apply(read(), only=lap.midway):
                root = trees.root(row)
                if row.request_kind == WARMUP:
                    lap.warm.add(row.request_id)
                    continue
                offset_ns, played = self._played(row, root, lap, speed)
                yield offset_ns, salt.marked(played, f"{root}~{number}")

    def _lap(self, number: int) -> _Lap:
        """Trees of this lap with which a lane begins, start in their middle."""
        first = number * self.trees
        return _Lap(number, frozenset(root for place, root in enumerate(self._trees, first) if place < self._lanes))

    def _played(self, row: TraceRow, root: str, lap: _Lap, speed: float) -> tuple[int | None, TraceRow]:
        """The row in its lane: with what it waits for, or with the offset at which it begins."""
        waits = tuple(request_id for request_id in row.wait_for if request_id not in lap.warm)
        follows = bool(waits) or row.session_id in lap.begun
        lap.begun.add(row.session_id or row.request_id)
        if follows:
            return None, of_lap(replace(row, wait_for=waits), lap.number)
        wait_ms = self._begins_ms(row, root, lap)
        before = self._ends_before(root, lap)
        if not before:
            return round(wait_ms * NS_PER_MS / speed), of_lap(replace(row, wait_for=()), lap.number)
        begun = replace(of_lap(row, lap.number), wait_for=before, delay_ms=wait_ms, tool_wait_ms=None)
        return None, begun

    def _begins_ms(self, row: TraceRow, root: str, lap: _Lap) -> float:
        """How long after its tree's begin a row begins that waits for no other of it."""
        if root not in lap.zero_ms:
            lap.zero_ms[root] = row.timestamp_ms
            return row.wait_ms if root in lap.midway else 0.0
        zero_ms, at_ms = lap.zero_ms[root], row.timestamp_ms
        return row.wait_ms if zero_ms is None or at_ms is None else max(0.0, at_ms - zero_ms)

    def _ends_before(self, root: str, lap: _Lap) -> tuple[str, ...]:
        """The last requests of the tree that the same lane has played before this one; none for a lane's first."""
        place = lap.number * self.trees + self._places[root] - self._lanes
        if place < 0:
            return ()
        number, index = divmod(place, self.trees)
        before = self._roots[index]
        ends: Iterable[_End] = self._trees[before].values()
        if place < self._lanes:  # it began in its middle itself
            gone = self._mid_start.gone(before) + self._mid_start.advances(before)
            ends = [end for end in ends if end.main_turns > gone]
        return tuple(end.request_id if not number else f"{end.request_id}~{number}" for end in ends)
