"""Users who leave, and requests whose time is over, in virtual time."""

import heapq
import itertools
from collections import deque

from imaxproxy.load.virtual_exchange import LEFT, TIMEOUT
from imaxproxy.load.virtual_item import VirtualItem


class Departures:
    """What is given up, and when, the soonest first. An item that has ended is forgotten by itself."""

    def __init__(self, timeout_ns: int) -> None:
        self._timeout_ns = timeout_ns
        self._leaving: list[tuple[int, int, VirtualItem]] = []
        self._timing_out: deque[tuple[int, VirtualItem]] = deque()
        """In the order of their sends, which is that of their ends."""
        self._numbers = itertools.count()

    def __repr__(self) -> str:
        return f"<Departures: {len(self._leaving)} leave, {len(self._timing_out)} under way>"

    def watch(self, item: VirtualItem, now_ns: int, leaves_after_ns: int | None) -> None:
        """It has been sent."""
        if leaves_after_ns is not None:
            heapq.heappush(self._leaving, (now_ns + leaves_after_ns, next(self._numbers), item))
        self._timing_out.append((now_ns + self._timeout_ns, item))

    def next_ns(self) -> int | None:
        while self._leaving and self._leaving[0][2].stream is None:
            heapq.heappop(self._leaving)
        while self._timing_out and self._timing_out[0][1].stream is None:
            self._timing_out.popleft()
        times_ns = [queue[0][0] for queue in (self._leaving, self._timing_out) if queue]
        return min(times_ns, default=None)

    def take(self, at_ns: int) -> tuple[VirtualItem, str]:
        """Who goes at `next_ns`, and why."""
        if self._leaving and self._leaving[0][0] == at_ns:
            return heapq.heappop(self._leaving)[2], LEFT
        return self._timing_out.popleft()[1], TIMEOUT
