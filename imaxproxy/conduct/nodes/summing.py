"""A run that is summed up where its journals lie: each node answers for its own, and only sums travel."""

from collections.abc import Iterator, Sequence
from typing import Any

from imaxproxy.cluster import is_gone
from imaxproxy.conduct.nodes.player import NodePlayer
from imaxproxy.conduct.replay.players import SumsLost
from imaxproxy.metrics import Grid, Trim
from imaxproxy.power import TickPrices
from imaxproxy.runs.energy_shares import EnergyShares
from imaxproxy.runs.outline import Outline
from imaxproxy.runs.partial_sums import Counting, PartialSums
from imaxproxy.runs.summing import Progress

_ANSWER_S = 600.0
"""A second is some million events on each core of a node: no run is so long."""


class NodesSummer:
    """`runs.summing.Summer` of a cluster; that module says what travels. Raises SumsLost when a node is lost."""

    def __init__(self, ray: Any, players: Sequence[NodePlayer]) -> None:  # noqa: ANN401 (a library that may not be there)
        self._ray, self._players = ray, players
        self.progress: Progress = lambda _: None

    def outline(self, trim: Trim) -> Outline:
        whole = Outline(trim)
        for each in self._asked("outline", trim, begins=0.0, ends=0.25):
            whole.merge(each)
        return whole

    def busy(self, grid: Grid) -> Sequence[int]:
        return [sum(each) for each in zip(*self._asked("busy", grid, begins=0.25, ends=0.25), strict=True)]

    def sums(self, counting: Counting) -> PartialSums:
        whole = PartialSums(counting)
        for each in self._asked("sums", counting, begins=0.25, ends=1.0 if counting.ticks is None else 0.7):
            whole.merge(each)
        return whole

    def energy(self, prices: TickPrices) -> Iterator[EnergyShares]:
        for parts in self._asked("energy", prices, begins=0.7, ends=1.0):
            yield from parts

    def _asked(self, question: str, about: object, begins: float, ends: float) -> Iterator[Any]:
        """All nodes at once; their answers one by one."""
        references = [getattr(player.actor, question).remote(about) for player in self._players]
        for number, player in enumerate(self._players, 1):
            try:
                yield self._ray.get(references.pop(0), timeout=_ANSWER_S)
            except Exception as error:  # whatever Ray calls a node that is gone
                if not is_gone(error):
                    raise
                raise SumsLost(f"node {player.node.name} was lost while it summed up") from error
            self.progress(begins + (ends - begins) * number / len(self._players))
