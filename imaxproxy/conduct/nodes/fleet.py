"""Replicas of one engine on several nodes of a cluster, as one engine of a run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import merge
from pathlib import Path
from typing import Any

from imaxproxy.cluster import Node, Offset, Reservation, fetch
from imaxproxy.cluster.clocks import ask_offset
from imaxproxy.conduct.engine.dialect import dialect_of_recipe
from imaxproxy.conduct.engine.upstream import EngineChoice
from imaxproxy.conduct.flags.power import PowerChoice
from imaxproxy.conduct.nodes.engine import ReplicaUp
from imaxproxy.conduct.nodes.fleet_power import FleetPower
from imaxproxy.conduct.output import say
from imaxproxy.conduct.replay.session import Engine
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.launch import load_recipe
from imaxproxy.runs import RunDirectory
from imaxproxy.runs.shift import line_of, rows_of
from imaxproxy.wire import VLLM, BaseUrl


@dataclass(slots=True)
class _Replica:
    index: int
    node: Node
    actor: Any
    up: ReplicaUp
    offset: Offset
    asked: Any = None


@dataclass(slots=True)
class Fleet:
    """The replicas, up."""

    ray: Any
    replicas: list[_Replica]
    engine: Engine
    died: str | None = field(default=None)
    """The first death, once it was heard of."""

    def url_of(self, node: int) -> BaseUrl:
        """Whom this node of the load asks: the replicas in turn."""
        return BaseUrl.parse(self.replicas[node % len(self.replicas)].up.url, "--engine")

    def power(self, run: RunDirectory) -> FleetPower | None:
        """What all draw while they run, told beside the run; None where it is not measured."""
        if not self.engine.metered_there:
            return None
        metered = [(replica.actor, -replica.offset.offset_ns) for replica in self.replicas]
        return FleetPower(self.ray, metered, run.power_now)

    def hear(self) -> str | None:
        """Ask, without waiting, whether one has died; what is to be said of it, once."""
        if self.died is not None:
            return None
        for replica in self.replicas:
            if replica.asked is None:
                replica.asked = replica.actor.death.remote()
        done, _ = self.ray.wait([r.asked for r in self.replicas], num_returns=len(self.replicas), timeout=0)
        for replica in self.replicas:
            if replica.asked in done:
                reference, replica.asked = replica.asked, None
                try:
                    said = self.ray.get(reference)
                except Exception:  # whatever Ray calls an actor that is gone
                    said = "its node was lost"
                if said is not None:
                    self.died = f"the engine on node {replica.node.name} died: {said}"
                    return self.died
        return None

    def finish(self, run: RunDirectory) -> None:
        """Power of all nodes as one file, each engine's log beside it."""
        powers: list[Path] = []
        for replica in self.replicas:
            try:
                files = self.ray.get(replica.actor.finish.remote(-replica.offset.offset_ns, f"replica-{replica.index}"))
                for facts in files:
                    to = run.path / f"replica-{replica.index}.{Path(facts.name).name}"
                    fetch(self.ray, replica.actor.read.remote, facts, to)
                    if to.name.endswith("power.jsonl"):
                        powers.append(to)
            except ImaxproxyError:
                raise
            except Exception as error:  # the node is gone, and its power with it
                say(f"imaxproxy: no power and no log of the engine on node {replica.node.name}: {type(error).__name__}")
        if powers:
            with run.power.open("wb") as file:
                rows = merge(*(rows_of(path) for path in powers), key=lambda row: int(row.get("time_ns", 0)))
                file.writelines(line_of(row) for row in rows)
            for path in powers:
                path.unlink()


def wants_gpus(choice: EngineChoice) -> int:
    """On each replica's node: none where it is simulated."""
    return 0 if choice.simulate or choice.recipe is None else load_recipe(choice.recipe).gpu.count


def start_fleet(
    ray: Any,  # noqa: ANN401 (a library that may not be there)
    reservation: Reservation,
    actors: Sequence[Any],
    choice: EngineChoice,
    flags: dict[str, Any],
) -> Fleet:
    """All at once. Raises UsageError or ImaxproxyError, with the node's name, for one that does not come up."""
    asked = [
        actor.start.remote(flags, choice, node.address) for actor, node in zip(actors, reservation.nodes, strict=True)
    ]
    replicas = []
    for index, (reference, actor, node) in enumerate(zip(asked, actors, reservation.nodes, strict=True)):
        try:
            up = ray.get(reference)
        except Exception as error:  # the node died
            raise ImaxproxyError(f"the engine on node {node.name} did not come up: its node was lost") from error
        if isinstance(up, str):
            raise UsageError(f"the engine on node {node.name} did not come up: {up}")
        offset = ask_offset(lambda actor=actor: int(ray.get(actor.clock.remote())))  # type: ignore[misc]
        replicas.append(_Replica(index, node, actor, up, offset))
        say(f"imaxproxy: replica {index} on node {node.name} serves at {up.url}")
    return Fleet(ray, replicas, _as_one(replicas, choice, flags))


def _as_one(replicas: Sequence[_Replica], choice: EngineChoice, flags: dict[str, Any]) -> Engine:
    """The run's engine: GPUs of all, the rest as of the first."""
    first = replicas[0].up
    gpus: list[Any] = [replica.up.described.get("gpus") for replica in replicas]
    described = first.described | {
        "gpus": None if None in gpus else sum(gpus),
        "replicas": [{"node": replica.node.name, "url": replica.up.url} for replica in replicas],
    }
    assert choice.recipe is not None
    dialect = VLLM if choice.simulate else dialect_of_recipe(load_recipe(choice.recipe).engine.name)
    return Engine(
        BaseUrl.parse(first.url, "--engine"),
        first.model,
        described,
        dialect,
        simulated_here=choice.simulate,
        metrics_sources=[source for replica in replicas for source in _metrics_of(replica, flags)],
        metered_there=PowerChoice.of(flags).is_on,
    )


def _metrics_of(replica: _Replica, flags: dict[str, Any]) -> Sequence[tuple[str, str | None]]:
    """A simulated engine's are read where they are asked for."""
    if replica.up.metrics or not flags["engine_metrics"]:
        return replica.up.metrics
    return [(replica.up.url, None)]
