"""CPUs held on so many different nodes: a placement group, and actors in it."""

import contextlib
from collections.abc import Sequence
from typing import Any, Self

from imaxproxy.cluster.asking import LOST_BEFORE, answers_of_all
from imaxproxy.cluster.connection import Cluster
from imaxproxy.cluster.nodes import Node, NodeFacts, facts_probe
from imaxproxy.errors import UsageError

_PLACED_WITHIN_S = 30.0
_ACTOR_THREADS = 4
"""What an actor is asked at once: how it goes, what time it is, to stop, for a file."""


class Reservation:
    """`cpus` on each of `count` different nodes, inside a `with`; its end frees them and ends the actors."""

    def __init__(self, cluster: Cluster, count: int | None, cpus: float, what: str, gpus: int = 0) -> None:
        """count: None, on every node that has so many.  what: who wants them, for messages.  gpus: as many beside.

        Raises UsageError when the cluster's nodes, as large as they are, could never hold it.
        """
        self._cluster, self._what = cluster, what
        self._wants = {"CPU": cpus} | ({"GPU": float(gpus)} if gpus else {})
        nodes = cluster.nodes()
        fit = [node for node in nodes if node.cpus >= cpus and node.gpus >= gpus]
        if not fit or (count is not None and len(fit) < count):
            sizes = ", ".join(f"{node.cpus:g}" for node in nodes)
            boards = f" and {', '.join(f'{node.gpus:g}' for node in nodes)} GPUs" if gpus else ""
            raise UsageError(
                f"{what} want {self._wanted} on each of {count or 1} nodes, and the cluster has {len(nodes)} nodes of "
                f"{sizes} CPUs{boards}: ask for less, or add nodes"
            )
        self.count = len(fit) if count is None else count
        self._group: Any = None
        self._actors: list[Any] = []
        self.nodes: list[Node] = []
        """Where it is, in the order of its parts, inside the `with`."""

    @property
    def _wanted(self) -> str:
        return " and ".join(f"{amount:g} {name}s" for name, amount in self._wants.items())

    def __enter__(self) -> Self:
        """Raises UsageError when others hold what is wanted."""
        from ray.util.placement_group import placement_group

        self._group = placement_group([self._wants] * self.count, strategy="STRICT_SPREAD")
        try:
            if not self._group.wait(_PLACED_WITHIN_S):
                if (left := len(self._cluster.nodes())) < self.count:
                    raise UsageError(f"{self._what}: a node of the cluster died meanwhile, {left} are left: try again")
                raise UsageError(
                    f"{self._what} want {self._wanted} on each of {self.count} nodes, and others held them for "
                    f"{_PLACED_WITHIN_S:g} s: wait until they are free (`ray status`), or lower --nodes"
                )
            known = {node.node_id: node for node in self._cluster.nodes()}
            ids = self._of_each(_node_id())
            if not known.keys() >= set(ids):
                raise UsageError(LOST_BEFORE)
            self.nodes = [known[node_id] for node_id in ids]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        from ray.util.placement_group import remove_placement_group

        if self._cluster.head_is_lost:  # who would be asked for it; all of it ends as its raylets do
            return
        for actor in self._actors:
            with contextlib.suppress(Exception):  # it is dead already, or the cluster is
                self._cluster.ray.kill(actor)
        self._actors = []
        if self._group is not None:
            with contextlib.suppress(Exception):
                remove_placement_group(self._group)
            self._group = None

    def facts(self) -> dict[str, NodeFacts]:
        """What each node runs, by its name."""
        rows = self._of_each(facts_probe())
        return {node.name: NodeFacts(**row) for node, row in zip(self.nodes, rows, strict=True)}

    def actors(self, kind: type, *args: object) -> list[Any]:
        """One actor of a plain class on each node. They are never started again: what died is lost, and said so."""
        ray = self._cluster.ray
        remote = ray.remote(kind)
        made = [
            remote.options(
                num_cpus=self._wants["CPU"],
                num_gpus=self._wants.get("GPU", 0),
                max_restarts=0,
                max_task_retries=0,
                max_concurrency=_ACTOR_THREADS,
                scheduling_strategy=self._strategy(part),
            ).remote(*args)
            for part in range(self.count)
        ]
        self._actors += made
        return made

    def _of_each(self, function: Any) -> list[Any]:  # noqa: ANN401 (what Ray carries by value)
        """Its answer on each node. Raises UsageError when one is lost: its part may be moved, and wait for ever."""
        known = {node.node_id for node in self._cluster.nodes()}
        return answers_of_all(
            self._cluster.ray,
            [self._probe(part, function) for part in range(self.count)],
            lambda: known <= {node.node_id for node in self._cluster.nodes()},
        )

    def _probe(self, part: int, function: Any) -> Any:  # noqa: ANN401 (a task's reference)
        ray = self._cluster.ray
        options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": self._strategy(part)}
        return ray.remote(function).options(**options).remote()

    def _strategy(self, part: int) -> Any:  # noqa: ANN401
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        return PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=part)


def _node_id() -> Any:  # noqa: ANN401 (carried by value, as `facts_probe`'s)
    def probe() -> str:
        import ray

        node_id: str = ray.get_runtime_context().get_node_id()
        return node_id

    return probe


def close_actors(ray: Any, actors: Sequence[Any], within_s: float) -> None:  # noqa: ANN401 (the library)
    """Let each end what it started and remove its folder; one whose node is gone has done so, or never will."""
    references = []
    for actor in actors:
        with contextlib.suppress(Exception):
            references.append(actor.close.remote())
    if references:
        with contextlib.suppress(Exception):
            ray.wait(references, num_returns=len(references), timeout=within_s)
