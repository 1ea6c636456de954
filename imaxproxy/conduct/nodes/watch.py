"""A cluster's nodes as a live view looks at them: each is asked once a second, and nobody waits for a late one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from imaxproxy.clock import NS_PER_MS
from imaxproxy.cluster import is_gone
from imaxproxy.conduct.nodes.player import NodePlayer
from imaxproxy.live.feed import NodeSeen, NodesSeen
from imaxproxy.live.feed.nodes import DONE
from imaxproxy.metrics import LivePart, Objective, Totals
from imaxproxy.runs.shares import LOSS_LIMIT_SHARE

_ANSWER_WITHIN_NS = 700 * NS_PER_MS
"""A node waits 200 ms for its workers, and reads its journals for 150."""


class NodesView:
    """`View` of the nodes of one run.

    Times come to the command's clock by the offset that was found before the start. A clock drifts meanwhile, and the
    edges of the last seconds with it; nothing else in what is shown compares two clocks.
    """

    answer_within_ns = _ANSWER_WITHIN_NS

    def __init__(
        self,
        ray: Any,  # noqa: ANN401 (a library that may not be there)
        players: Sequence[NodePlayer],
        objectives: tuple[Objective, ...],
        began_ns: Callable[[], int | None],
        *,
        keeps_lost: bool,
        loss_limit_share: float = LOSS_LIMIT_SHARE,
        engines: Sequence[str] | None = None,
    ) -> None:
        """began_ns: when the schedule began, by the command's clock, once it has.  keeps_lost: see `NodesSeen`.

        engines: whom each node asks, where they ask different ones.
        """
        self.on_answered: Callable[[], None] = lambda: None  # nobody hears of it at once: whoever ticks asks
        self._ray, self._players, self._began_ns = ray, players, began_ns
        self._loss_limit_share = loss_limit_share
        self._seen = NodesSeen(objectives, keeps_lost)
        self._asked: dict[str, Any] = {}
        self._round: set[str] = set()
        """Those of the last asking that have not answered."""
        self._parts: dict[str, LivePart] = {}
        for index, player in enumerate(players):
            node = self._seen.add(player.node.name, list(player.share.workers(player.workers_each)))
            node.engine = None if engines is None else engines[index]

    @property
    def totals(self) -> Totals:
        return self._seen.totals

    @property
    def zero_ns(self) -> int | None:
        return self._began_ns()

    @property
    def nodes(self) -> list[NodeSeen]:
        return list(self._seen.nodes.values())

    def _learn(self) -> None:
        """What the command knows of them by now."""
        for player in self._players:
            node = self._seen.nodes[player.node.name]
            node.clock_error_ms = None if player.before is None else player.before.error_ns / NS_PER_MS
            if player.lost is not None:
                self._seen.lose(node.name, player.lost)
                continue
            node.why = player.why
            node.state = DONE if player.state.over else node.state

    @property
    def reasons(self) -> list[str]:
        """What was lost, where that is more than the run may lose."""
        lost = [worker for player in self._players for worker in player.lost_workers]
        of = sum(len(node.workers) for node in self._seen.nodes.values())
        if len(lost) <= self._loss_limit_share * of:
            return []
        who = "; ".join(f"node {player.node.name}: {why}" for player in self._players if (why := player.why))
        return [f"{len(lost)} of {of} workers were lost ({who})"]

    def ask(self) -> None:
        """Those whose start was told; who has not answered the last time is not asked twice."""
        self._round.clear()
        for player in self._players:
            name = player.node.name
            if player.lost is None and player.before is not None and name not in self._asked:
                self._asked[name] = player.actor.look.remote()
                self._round.add(name)

    def is_answered(self) -> bool:
        self._hear()
        return not self._round

    def take(self) -> Mapping[str, LivePart] | None:
        self._hear()
        self._learn()
        if self._began_ns() is None:
            return None
        parts, self._parts = self._parts, {}
        return parts

    def _hear(self) -> None:
        """Take in what has come; who was late the last time counts now."""
        if not self._asked:
            return
        references = list(self._asked.values())
        done, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        arrived = set(done)
        for player in self._players:
            name = player.node.name
            if (reference := self._asked.get(name)) is None or (reference not in arrived and player.lost is None):
                continue
            del self._asked[name]
            self._round.discard(name)
            if player.lost is None:
                self._take(player, reference)

    def _take(self, player: NodePlayer, reference: Any) -> None:  # noqa: ANN401
        """Raises what the node's own code raised; that it is gone is heard of when it is asked how it goes."""
        try:
            look = self._ray.get(reference)
        except Exception as error:
            if is_gone(error):
                return
            raise
        if look is None:
            return
        name = player.node.name
        part = self._seen.take(name, look.move(player.to_command_ns))
        if part is not None:
            earlier = self._parts.get(name)
            self._parts[name] = part if earlier is None else part.after(earlier)
