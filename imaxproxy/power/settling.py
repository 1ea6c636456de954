"""Exporters collect in a period of their own and answer with what they collected last: has what they tell moved yet?"""

from collections.abc import Iterable

from imaxproxy.clock import NS_PER_MS
from imaxproxy.power.moves import Moves
from imaxproxy.power.sample import PowerSample

ALL_MOVES = 2
"""So many moves show a period: the first one's own beginning was not seen."""
_MARGIN, _MARGIN_NS = 1.2, 1_000 * NS_PER_MS


class Settling:
    """Sees samples of one source and knows since when, and how often, each device's figures have moved."""

    def __init__(self, devices: Iterable[str]) -> None:
        self._moves = {device: Moves() for device in devices}

    def see(self, sample: PowerSample) -> None:
        """Joules where there are any; else the watts, which seldom are the same twice."""
        readings = (sample.energy_mj, sample.power_avg_w, sample.power_w)
        if (moves := self._moves.get(sample.device)) is not None:
            moves.see(sample.time_ns, next((each for each in readings if each is not None), None))

    def has_moved(self, times: int = 1) -> bool:
        """Every device's figures have, so often."""
        return all(len(moves.times_ns) >= times for moves in self._moves.values())

    def period_ms(self, device: str) -> float | None:
        """Between its last two moves; None where there were fewer."""
        times_ns = self._moves[device].times_ns
        return (times_ns[-1] - times_ns[-2]) / NS_PER_MS if len(times_ns) >= ALL_MOVES else None

    def longest_ns(self) -> int | None:
        """How long the next move of every device may take; None where nobody knows."""
        periods = [period for device in self._moves if (period := self.period_ms(device)) is not None]
        return round(max(periods) * _MARGIN * NS_PER_MS) + _MARGIN_NS if periods else None
