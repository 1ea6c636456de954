"""Nodes of a cluster that one command holds, and on which it plays loads one after the other."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imaxproxy.cluster import Cluster, Reservation, close_actors
from imaxproxy.conduct.flags.load import Load
from imaxproxy.conduct.flags.ray import RayChoice
from imaxproxy.conduct.nodes.fleet import Fleet
from imaxproxy.conduct.nodes.node import RayNode
from imaxproxy.conduct.nodes.players import RayPlayers
from imaxproxy.conduct.nodes.preflight import Preflight, check_same_code
from imaxproxy.conduct.output import say
from imaxproxy.conduct.replay.stopping import sigterm_is_ctrl_c
from imaxproxy.runs import RunDirectory
from imaxproxy.wire import BaseUrl

_CLOSE_S = 10.0


@dataclass(frozen=True, slots=True)
class HeldNodes:
    """A placement group's nodes, an actor on each, all looked at."""

    cluster: Cluster
    choice: RayChoice
    reservation: Reservation
    actors: Sequence[Any]
    hosts: Sequence[dict[str, Any]]
    traces: Sequence[str]
    """Where the trace lies on each."""
    flags: dict[str, Any]
    """The command's, with all nodes' `workers`."""

    @property
    def count(self) -> int:
        return self.reservation.count

    def check(self, run: RunDirectory) -> None:
        """Raises UsageError for a node that cannot write where journals are to go."""
        if not self.choice.gathers:
            self._preflight().shared(run.path)

    def check_engine(self, url: BaseUrl) -> None:
        """Raises UsageError for a node that does not reach an engine which others do. Says who plays."""
        self._preflight().engine(url)
        names = ", ".join(node.name for node in self.reservation.nodes)
        say(f"imaxproxy: {self.count} nodes, {self.choice.workers_per_node} workers each: {names}")

    def players(self, fleet: Fleet | None = None) -> RayPlayers:
        """Who plays one load; the last one has ended."""
        nodes = self.reservation.nodes
        return RayPlayers(self.cluster, self.choice, nodes, self.actors, self.hosts, self.traces, self.flags, fleet)

    def _preflight(self) -> Preflight:
        return Preflight(self.cluster.ray, self.reservation.nodes, self.actors)


@contextlib.contextmanager
def held_nodes(trace: Path, load: Load, ray: RayChoice, flags: dict[str, Any]) -> Iterator[HeldNodes]:
    """Those that the flags choose, for as long as this lasts; their actors and folders end with it.

    Raises UsageError for what does not hold on a node, before anything starts.
    """
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(Cluster(ray.address, _say_head_is_lost))
        stack.enter_context(sigterm_is_ctrl_c())  # `ray job stop` sends it; Ray's own handler prints a stack and dies
        what = f"{ray.workers_per_node} workers on a node"
        reservation = stack.enter_context(Reservation(cluster, ray.nodes, float(ray.workers_per_node), what))
        workers = reservation.count * ray.workers_per_node
        load.rules().of_worker(0, workers)
        check_same_code(reservation)
        actors = reservation.actors(RayNode, None if ray.node_dir is None else str(ray.node_dir))
        stack.callback(close_actors, cluster.ray, actors, _CLOSE_S)
        preflight = Preflight(cluster.ray, reservation.nodes, actors)
        hosts = preflight.hosts()
        preflight.same_tokenizer(flags["tokenizer"])
        traces = preflight.traces(trace)
        yield HeldNodes(cluster, ray, reservation, actors, hosts, traces, flags | {"workers": workers})


def _say_head_is_lost(address: str) -> None:
    say(f"imaxproxy: the head of the cluster is lost: nobody listens at {address} any more; the run ends")
