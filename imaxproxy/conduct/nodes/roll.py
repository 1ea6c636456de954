"""The roll of a run's nodes: each asked how it goes, and who says nothing more is struck off."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from imaxproxy.cluster import is_gone, reason_of
from imaxproxy.cluster.clocks import ask_offset
from imaxproxy.conduct.nodes.player import NodePlayer
from imaxproxy.conduct.output import say

_EVERY_S = 0.25
_SILENT_S = 30.0
"""A node that says nothing for so long is lost: Ray itself takes about as long to give one up."""


class Roll:
    """Nodes and what was last heard of each; a loss is said once, and asks for a stop where the others do not go on."""

    def __init__(self, ray: Any, players: Sequence[NodePlayer], *, goes_on: bool) -> None:  # noqa: ANN401 (the library)
        self._ray, self._players, self._goes_on = ray, players, goes_on
        self.stop_asked = False
        """The run is to stop: for a loss, or because whoever plays it says so."""

    @property
    def is_open(self) -> bool:
        """Somebody plays still."""
        return any(player.is_open for player in self._players)

    @property
    def lost_workers(self) -> list[int]:
        return sorted(worker for player in self._players for worker in player.lost_workers)

    @property
    def who(self) -> str:
        """The nodes that lost something, and what."""
        return "; ".join(f"node {player.node.name}: {why}" for player in self._players if (why := player.why))

    def hear(self) -> None:
        """Ask every node how it goes, and take what comes within a moment."""
        until_s = time.monotonic() + _EVERY_S
        for player in self._players:
            if player.is_open and player.asked is None:
                player.asked, player.asked_s = player.actor.poll.remote(), time.monotonic()
        waiting = [player.asked for player in self._players if player.is_open]
        done, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=_EVERY_S)
        for player in self._players:
            if player.asked in done:
                self._take(player)
            elif player.is_open and time.monotonic() - player.asked_s > _SILENT_S:
                self.lose(player, TimeoutError(f"it has said nothing for {_SILENT_S:g} s"))
        while not self.stop_asked and (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, 0.05))

    def ask_clock(self, player: NodePlayer, when: str) -> None:
        """when: `before` or `after` the load."""
        try:
            found = ask_offset(lambda: int(self._ray.get(player.actor.clock.remote(), timeout=_SILENT_S)))
        except Exception as error:  # whatever Ray calls a node that is gone
            self.lose(player, error)
            return
        if when == "before":
            player.before = found
        else:
            player.after = found

    def tell_all(self, tell: Callable[[Any], Any]) -> None:
        """A word to each that is not lost; its loss is heard of when it is asked how it goes."""
        for player in self._players:
            if player.lost is None:
                with contextlib.suppress(Exception):
                    tell(player.actor)

    def lose(self, player: NodePlayer, error: Exception) -> None:
        """Raises the error again where it is none of a node that is gone: a bug of ours is none of the cluster's."""
        if not is_gone(error):
            raise error
        self.give_up(player, reason_of(error))

    def give_up(self, player: NodePlayer, why: str) -> None:
        """Strike it off, and say so."""
        if player.lost is None:
            player.lost = why
            player.asked = None
            with contextlib.suppress(Exception):  # a silent one is to play no more when it comes back
                player.actor.close.remote()
            self._say_loss(f"node {player.node.name} is lost: {player.lost}")

    def _take(self, player: NodePlayer) -> None:
        reference, player.asked = player.asked, None
        known = player.state.lost_workers
        try:
            player.state = self._ray.get(reference)
        except Exception as error:  # whatever Ray calls a node that is gone
            self.lose(player, error)
            return
        if fresh := set(player.state.lost_workers) - set(known):
            self._say_loss(f"worker {', '.join(map(str, sorted(fresh)))} on node {player.node.name} died")

    def _say_loss(self, what: str) -> None:
        then = "the others go on" if self._goes_on else "the run is stopped"
        say(f"imaxproxy: {what}; {then}")
        if not self._goes_on:
            self.stop_asked = True
