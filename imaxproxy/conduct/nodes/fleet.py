"""Replicas of one engine on nodes of a cluster, each on one node or on several, as one engine of a run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imaxproxy.cluster import Node, Offset, Reservation, fetch, is_gone
from imaxproxy.cluster.clocks import ask_offset
from imaxproxy.conduct.engine.chosen import Engine
from imaxproxy.conduct.engine.dialect import dialect_of_recipe
from imaxproxy.conduct.engine.upstream import EngineChoice
from imaxproxy.conduct.flags.power import PowerChoice
from imaxproxy.conduct.nodes.engine import PartOrder, PartUp
from imaxproxy.conduct.nodes.fleet_power import FleetPower
from imaxproxy.conduct.nodes.replica import Part, bring_up, first_death, hear_deaths
from imaxproxy.conduct.output import say
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.launch import NodePart, Recipe, engine_of, load_recipe, toml_text, whole_document
from imaxproxy.runs import RunDirectory
from imaxproxy.runs.merged_samples import merged_power
from imaxproxy.wire import VLLM, BaseUrl


@dataclass(frozen=True, slots=True)
class Shape:
    """What a recipe takes of a cluster."""

    recipe: Recipe
    parts: int
    """Nodes of one engine."""
    gpus: int
    """Of each of these nodes."""

    @classmethod
    def of(cls, choice: EngineChoice) -> "Shape":
        """A simulated engine is one process, and takes no GPU, whatever its recipe spans.

        Raises UsageError for one that cannot be read.
        """
        assert choice.recipe is not None
        recipe = load_recipe(choice.recipe)
        if choice.simulate:
            return cls(recipe, 1, 0)
        return cls(recipe, recipe.parallel.nodes, recipe.gpus_per_node)


@dataclass(slots=True)
class Fleet:
    """The replicas, up."""

    ray: Any
    parts: list[Part]
    """Replica by replica, the head first."""
    heads: list[Part]
    engine: Engine
    died: str | None = None
    """The first death, once it was heard of."""

    def url_of(self, node: int) -> BaseUrl:
        """Whom this node of the load asks: the replicas in turn."""
        return _url(self.heads[node % len(self.heads)])

    def power(self, run: RunDirectory) -> FleetPower | None:
        """What all draw while they run, told beside the run; None where it is not measured."""
        if not self.engine.metered_there:
            return None
        metered = [(part.actor, -part.offset.offset_ns) for part in self.parts]
        return FleetPower(self.ray, metered, run.power_now)

    def hear(self) -> str | None:
        """Ask, without waiting, whether any part of any has died; what is to be said of it, once."""
        if self.died is not None or not hear_deaths(self.ray, self.parts):
            return None
        part = first_death(self.ray, self.parts)
        assert part.failed is not None
        self.died = f"{part} died: {part.failed.says}"
        return self.died

    def finish(self, run: RunDirectory) -> None:
        """Power of all nodes as one file, each engine's logs beside it."""
        powers = _fetch(self.ray, self.parts, run)
        if powers:
            with run.power.open("wb") as file:
                file.writelines(merged_power([(path, None, 0) for path in powers]))
            for path in powers:
                path.unlink()


def start_fleet(
    ray: Any,  # noqa: ANN401 (a library that may not be there)
    reservation: Reservation,
    actors: Sequence[Any],
    choice: EngineChoice,
    flags: dict[str, Any],
    run: RunDirectory,
) -> Fleet:
    """All at once. Raises UsageError, with the node's name, for one that does not come up; the logs of all are then in
    the run's directory."""
    shape = Shape.of(choice)
    parts = [
        Part(number // shape.parts, number % shape.parts, shape.parts, node, actor, _offset(ray, node, actor))
        for number, (node, actor) in enumerate(zip(reservation.nodes, actors, strict=True))
    ]
    if shape.parts > 1:
        say(f"imaxproxy: starting {shape.recipe.engine.name} on {', '.join(part.node.name for part in parts)}")
    try:
        bring_up(ray, parts, _orders(ray, parts, shape, choice, flags))
    except UsageError as error:
        _fetch(ray, parts, run)
        logs = f"; logs: {run.path}/replica-*.log" if any(run.path.glob("replica-*.log")) else ""
        raise UsageError(f"{error}{logs}") from error
    heads = [part for part in parts if part.rank == 0]
    for head in heads:
        others = "" if head.parts == 1 else f" and {head.parts - 1} more"
        say(f"imaxproxy: replica {head.replica} on node {head.node.name}{others} serves at {_url(head)}")
    return Fleet(ray, parts, heads, _as_one(parts, choice, shape, flags))


def _fetch(ray: Any, parts: Sequence[Part], run: RunDirectory) -> list[Path]:  # noqa: ANN401
    """End them; what they have printed, and the power of each, which is what is returned."""
    powers: list[Path] = []
    asked = [part.actor.finish.remote(-part.offset.offset_ns, part.name) for part in parts]
    for part, reference in zip(parts, asked, strict=True):
        try:
            for facts in ray.get(reference):
                to = run.path / f"{part.name}.{Path(facts.name).name}"
                fetch(ray, part.actor.read.remote, facts, to)
                if to.name.endswith("power.jsonl"):
                    powers.append(to)
        except ImaxproxyError:
            raise
        except Exception as error:  # the node is gone, and its power with it
            say(f"imaxproxy: no power and no log of {part}: {type(error).__name__}")
    return powers


def _offset(ray: Any, node: Node, actor: Any) -> Offset:  # noqa: ANN401
    """Raises UsageError for a node that died before its engine was started."""
    try:
        return ask_offset(lambda: int(ray.get(actor.clock.remote())))
    except Exception as error:  # whatever Ray calls a node that is gone
        if not is_gone(error):
            raise
        raise UsageError(f"node {node.name} was lost before the engine on it was started") from error


def _orders(
    ray: Any,  # noqa: ANN401
    parts: Sequence[Part],
    shape: Shape,
    choice: EngineChoice,
    flags: dict[str, Any],
) -> Iterator[PartOrder]:
    """Each node's, with the place where the parts of its engine meet. What is relative is so to where we run."""
    assert choice.recipe is not None
    text, there = _text_of(choice.recipe), choice.launch
    environment = None if there.environment is None else there.environment.absolute()
    launch = replace(there, environment=environment, model_path=there.model_path and _absolute(there.model_path))
    meetings = [_meeting_port(ray, part, shape) for part in parts if part.rank == 0]
    for number, part in enumerate(parts):
        head = parts[number - part.rank].node.address
        its = NodePart(rank=part.rank, address=part.node.address, head=head, port=meetings[part.replica])
        whole = part.parts == 1
        yield PartOrder(flags, shape.recipe.name, text, launch, part.node.address, None if whole else its)


def _meeting_port(ray: Any, head: Part, shape: Shape) -> int:  # noqa: ANN401
    """0 where there is nobody to meet."""
    if head.parts == 1:
        return 0
    return int(ray.get(head.actor.meeting_port.remote(head.node.address, engine_of(shape.recipe).meeting_ports)))


def _text_of(recipe: str) -> str:
    """The recipe as one file, with what it extends: one of the user's own lies on the command's machine alone."""
    document = whole_document(recipe)
    if "model_path" in document:
        document["model_path"] = _absolute(document["model_path"])
    return toml_text(document)


def _absolute(path: str) -> str:
    """A home is each node's own."""
    return path if path.startswith("~") else str(Path(path).absolute())


def _url(head: Part) -> BaseUrl:
    assert head.up is not None
    return BaseUrl.parse(head.up.url, "--engine")


def _as_one(parts: Sequence[Part], choice: EngineChoice, shape: Shape, flags: dict[str, Any]) -> Engine:
    """The run's engine: GPUs of all, the rest as of the first."""
    heads = [part for part in parts if part.rank == 0]
    ups = [head.up for head in heads if head.up is not None]
    gpus: list[Any] = [up.described.get("gpus") for up in ups]
    described = ups[0].described | {
        "gpus": None if None in gpus else sum(gpus),
        "replicas": [_replica(head, [part for part in parts if part.replica == head.replica]) for head in heads],
    }
    return Engine(
        _url(heads[0]),
        ups[0].model,
        described,
        VLLM if choice.simulate else dialect_of_recipe(shape.recipe.engine.name),
        simulated_here=choice.simulate,
        metrics_sources=[source for up in ups for source in _metrics_of(up, flags)],
        metered_there=PowerChoice.of(flags).is_on,
    )


def _metrics_of(up: PartUp, flags: dict[str, Any]) -> Sequence[tuple[str, str | None]]:
    """A simulated engine's are read where they are asked for."""
    if up.metrics or not flags["engine_metrics"]:
        return up.metrics
    return [(up.url, None)]


def _replica(head: Part, parts: Sequence[Part]) -> dict[str, Any]:
    """For the manifest: where it is, and where its parts are and what each was started as, if it has several."""
    its = {"node": head.node.name, "url": str(_url(head))}
    if head.parts == 1:
        return its
    started = [{"node": part.node.name, "launched": part.up.described["launched"]} for part in parts if part.up]
    return its | {"nodes": started}
