"""How often an energy counter is read that costs CPU to read."""

import math

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.power.moves import Moves, nominal_ms
from imaxproxy.power.sample import PowerSample

COUNTER_SHARE, EXTRA_SHARE = 0.004, 0.0015
"""Of a core, for reading counters: always, and when power steps. A read takes 2 to 4 ms of CPU on an H200."""
MOST_COUNTER_MS = 2000.0
_STEP = 0.25
"""Power has stepped when it differs by so much from the last read."""
_AFTER_STEP = 3
"""So many of the counter's moves are then read one by one: where a load begins and ends, a window does too."""
_WAITING_NS, _WAITING_SHARE = 5 * NS_PER_S, 0.05
"""For so long after the calibration moves are read at this share of a core: the load begins then, nobody says when."""
_MOST_SAVED_S = 30.0
"""For so long extra reads may be saved up."""


class Spacing:
    """When one device's counter is read, where that is dear.

    Seldom, in the middle between two of its moves: which one a read has seen is then known without reading more often.
    And more often after power has stepped.
    """

    def __init__(self, every_ns: int, period_ns: int | None, due_ns: int, read_cost_s: float) -> None:
        """period_ns: how often it moves; None: not known."""
        self.every_ns, self.due_ns = every_ns, due_ns
        self._period_ns = period_ns
        self._read_cost_s = read_cost_s
        self._saved_s, self._saved_ns = _MOST_SAVED_S * EXTRA_SHARE, due_ns
        self._power_w: float | None = None
        self._soon_ns: list[int] = []
        self._is_waiting = period_ns is not None
        """For the first step of power."""
        if period_ns is not None:
            dense_ns = max(math.ceil(read_cost_s / _WAITING_SHARE * NS_PER_S / period_ns), 1) * period_ns
            self._soon_ns = [due_ns + at_ns for at_ns in range(0, _WAITING_NS, dense_ns)]

    @classmethod
    def of(cls, moves: Moves, read_cost_s: float, boards: int, now_ns: int) -> "Spacing":
        """For one of so many boards, by what the calibration saw of its counter."""
        every_ms = min(read_cost_s * boards / COUNTER_SHARE * 1000, MOST_COUNTER_MS)
        period_ms = moves.period_ms()
        if period_ms is None:  # it never moved, or nobody looked long enough: at the pace alone
            return cls(round(every_ms * NS_PER_MS), None, now_ns, read_cost_s)
        period_ns = round(nominal_ms(period_ms) * NS_PER_MS)
        every_ns = max(math.ceil(every_ms * NS_PER_MS / period_ns), 1) * period_ns
        return cls(every_ns, period_ns, moves.last_ns + period_ns // 2, read_cost_s * boards)

    @property
    def next_ns(self) -> int:
        """When it is due."""
        return min(self.due_ns, *self._soon_ns) if self._soon_ns else self.due_ns

    def is_due(self, by_ns: int) -> bool:
        """A read is due before that time; the next one is then set."""
        if self._soon_ns and self._soon_ns[0] <= by_ns:
            self._soon_ns = [at_ns for at_ns in self._soon_ns if at_ns > by_ns]
            if self.due_ns > by_ns:
                return True
        if self.due_ns > by_ns:
            return False
        self.due_ns += ((by_ns - self.due_ns) // self.every_ns + 1) * self.every_ns
        return True

    def see(self, sample: PowerSample) -> None:
        """What was read: a step of power brings the next reads forward, as far as that was saved up for."""
        self._saved_s += (sample.time_ns - self._saved_ns) / NS_PER_S * EXTRA_SHARE
        self._saved_s, self._saved_ns = min(self._saved_s, _MOST_SAVED_S * EXTRA_SHARE), sample.time_ns
        before_w, self._power_w = self._power_w, sample.power_w
        if before_w is None or sample.power_w is None or self._period_ns is None:
            return
        has_stepped = abs(sample.power_w - before_w) > _STEP * max(before_w, sample.power_w)
        is_affordable = not self._soon_ns and self._saved_s >= self._read_cost_s * _AFTER_STEP
        if has_stepped and (self._is_waiting or is_affordable):
            self._is_waiting = False
            self._bring_forward(sample.time_ns)

    def _bring_forward(self, now_ns: int) -> None:
        self._saved_s -= self._read_cost_s * _AFTER_STEP
        period_ns = self._period_ns or self.every_ns
        behind = (self.due_ns - now_ns) // period_ns
        self._soon_ns = [self.due_ns - (behind - step) * period_ns for step in range(_AFTER_STEP)]
