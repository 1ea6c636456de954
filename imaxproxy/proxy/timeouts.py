"""How long an upstream may take, and the watch that ends what takes longer."""

import asyncio
from dataclasses import dataclass, field

from imaxproxy.clock import NS_PER_S, Clock
from imaxproxy.errors import WireError
from imaxproxy.wire import EngineConnection

_LONGEST_LOOK_S = 1.0
_LOOKS = 10
"""So often within the shortest timeout, or once a second, is looked: a timeout is late by no more than that."""
_AT_ONCE = 500
"""Connections looked at in one go, under 1 ms: ten thousand at once would hold up every stream for 15."""
_PAUSE_S = 0.001


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds; None: for ever. Each has its own name in the record, and is a 504 while no answer has begun."""

    connect_s: float = 5.0
    """`timeout_connect`: TCP and TLS."""
    first_byte_s: float | None = 600.0
    """`timeout_first_byte`: from the request's send to the answer's head. Long prompts wait long in a full engine."""
    idle_s: float | None = 300.0
    """`timeout_idle`: between two reads of the answer. What a slow client holds up does not count."""
    total_s: float | None = None
    """`timeout_total`: from the request's arrival to its end."""

    @property
    def look_every_s(self) -> float:
        """How often the watch looks."""
        shortest = min((s for s in (self.first_byte_s, self.idle_s, self.total_s) if s is not None), default=None)
        return _LONGEST_LOOK_S if shortest is None else min(_LONGEST_LOOK_S, shortest / _LOOKS)


@dataclass(slots=True)
class Watch:
    """Looks at all busy connections now and then, so that no event pays for a timer."""

    timeouts: Timeouts
    clock_ns: Clock
    _busy: dict[EngineConnection, tuple[int, int]] = field(default_factory=dict)
    _round: list[EngineConnection] = field(default_factory=list)
    """Not looked at yet in this round."""
    _next_look: asyncio.TimerHandle | None = None

    def add(self, engine: EngineConnection, started_ns: int) -> None:
        """A request that arrived at `started_ns` was just put to this engine."""
        self._busy[engine] = (started_ns, self.clock_ns())
        if self._next_look is None:
            self._next_look = asyncio.get_running_loop().call_later(self.timeouts.look_every_s, self._look)

    def remove(self, engine: EngineConnection) -> None:
        self._busy.pop(engine, None)

    def close(self) -> None:
        if self._next_look is not None:
            self._next_look.cancel()

    def _look(self) -> None:
        """At the next few connections of the round; those that came since it began are for the next."""
        if not self._round:
            self._round = list(self._busy)
        part, self._round = self._round[:_AT_ONCE], self._round[_AT_ONCE:]
        now_ns = self.clock_ns()
        for engine in part:
            reason = self._overdue(engine, now_ns) if engine in self._busy else None
            if reason is not None:
                self.remove(engine)
                engine.give_up(reason)
        delay_s = _PAUSE_S if self._round else self.timeouts.look_every_s
        self._next_look = asyncio.get_running_loop().call_later(delay_s, self._look) if self._busy else None

    def _overdue(self, engine: EngineConnection, now_ns: int) -> WireError | None:
        started_ns, asked_ns = self._busy[engine]
        limits, read_ns = self.timeouts, engine.last_read_ns
        if _over(limits.total_s, now_ns - started_ns):
            return WireError("timeout_total", f"no end within {limits.total_s:g} s")
        if read_ns is None and _over(limits.first_byte_s, now_ns - asked_ns):
            return WireError("timeout_first_byte", f"no answer began within {limits.first_byte_s:g} s")
        if read_ns is not None and _over(limits.idle_s, now_ns - read_ns):
            return WireError("timeout_idle", f"nothing more of the answer came within {limits.idle_s:g} s")
        return None


def _over(limit_s: float | None, passed_ns: int) -> bool:
    return limit_s is not None and passed_ns > limit_s * NS_PER_S
