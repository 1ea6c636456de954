"""A run cut into equal slices of time, each with its own figures: what changed, and when."""

from collections.abc import Callable
from operator import add
from typing import Any

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import Exchange, Window, seconds
from imaxproxy.runs.window_tally import WindowTally

MOST_SLICES = 2000
_SHOWN = ("ttft_ms", "ttfo_ms", "itl_ms", "tpot_ms", "e2e_ms", "send_lag_ms")


class Timeslices:
    """Takes the exchanges of a run: a request belongs to the slice of its send, a token to that of its arrival.

    Mergeable. A run that would fall into more than MOST_SLICES gets longer ones: their bounds stand in them.
    """

    def __init__(self, whole: Window, slice_s: float) -> None:
        self._whole = whole
        self._slice_ns = max(1, round(slice_s * NS_PER_S), -(-whole.duration_ns // MOST_SLICES))
        self._busy_ns = [0] * max(1, -(-whole.duration_ns // self._slice_ns))
        self._tallies: dict[int, WindowTally] = {}
        """Of the slices into which something falls: a piece of a journal is about few of a run's."""

    def add(self, exchange: Exchange) -> None:
        ask = exchange.ask
        if ask.dialect is None:
            return
        sent_ns = ask.begun_ns
        first, last = self._number(sent_ns), self._number(max(exchange.ended_ns, sent_ns))
        for number in range(first, last + 1):
            part = self._tally(number)
            part.add(exchange)
            overlap_ns = min(exchange.ended_ns, part.window.end_ns) - max(sent_ns, part.window.start_ns)
            self._busy_ns[number] += max(overlap_ns, 0)

    def merge(self, other: "Timeslices") -> None:
        """Add what was counted elsewhere in the same slices."""
        for number, theirs in other._tallies.items():
            self._tally(number).merge(theirs)
        self._busy_ns = list(map(add, self._busy_ns, other._busy_ns))

    def stats(self, more: Callable[[int, int], dict[str, Any]] | None = None) -> list[dict[str, Any]]:
        """`timeslices` of summary.json. more: what else is known of a stretch, by its bounds in ns."""
        parts = []
        for number in range(len(self._busy_ns)):
            part = self._part(number)
            if more is not None:
                window = self._window(number)
                part |= more(window.start_ns, window.end_ns)
            parts.append(part)
        return parts

    def _part(self, number: int) -> dict[str, Any]:
        window = self._window(number)
        tally, duration_ns = self._tallies.get(number, WindowTally(window)), window.duration_ns
        stats = tally.tally.stats()
        return {
            "start_s": seconds(window.start_ns - self._whole.start_ns),
            "end_s": seconds(window.end_ns - self._whole.start_ns),
            "in_flight": self._busy_ns[number] / duration_ns if duration_ns else None,
            "requests": tally.tally.requests(),
            "throughput": tally.throughput(None),
            **{name: stats[name] for name in _SHOWN},
        }

    def _number(self, at_ns: int) -> int:
        return min(max((at_ns - self._whole.start_ns) // self._slice_ns, 0), len(self._busy_ns) - 1)

    def _window(self, number: int) -> Window:
        at_ns = self._whole.start_ns + number * self._slice_ns
        return Window(at_ns, min(at_ns + self._slice_ns, self._whole.end_ns))

    def _tally(self, number: int) -> WindowTally:
        if number not in self._tallies:
            self._tallies[number] = WindowTally(self._window(number))
        return self._tallies[number]
