"""Capping idle time of a replay as it is read: hours in which nothing is sent say nothing of an engine.

One pass, so that a long trace starts at once. `imaxproxy trace filter --idle-gap-cap` has the exact one, of two passes:
it keeps agents side by side in their places.
"""

from collections.abc import Iterable, Iterator

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.load.schedule import Scheduled
from imaxproxy.traces import TraceRow, WaitCap


class IdleCap:
    """Waits within sessions, and gaps in which the schedule sends nothing; what comes behind moves forward.

    longest_s: of the run, not of the trace.  speed: so many times faster the trace is played.
    """

    def __init__(self, longest_s: float, speed: float = 1.0) -> None:
        self._speed = speed
        self._longest_ns = round(longest_s * NS_PER_S)
        self._waits = WaitCap(longest_s * speed * NS_PER_S / NS_PER_MS)
        self._gaps_cut_ns = 0

    @property
    def cut_s(self) -> float:
        """What was cut so far, of waits and gaps, in seconds of the run. Every worker reads, and cuts, all of it."""
        return (self._waits.cut_ms * NS_PER_MS / self._speed + self._gaps_cut_ns) / NS_PER_S

    def waits(self, rows: Iterable[TraceRow]) -> Iterator[TraceRow]:
        """The rows, none of which waits longer than the cap."""
        return self._waits.apply(rows)

    def gaps(self, scheduled: Scheduled) -> Scheduled:
        """The schedule, no gap in it longer than the cap."""
        before_ns = shift_ns = 0
        for offset_ns, row in scheduled:
            if offset_ns is None:
                yield None, row
                continue
            over_ns = max(0, offset_ns - before_ns - self._longest_ns)
            shift_ns, before_ns = shift_ns + over_ns, offset_ns
            self._gaps_cut_ns = shift_ns
            yield offset_ns - shift_ns, row
