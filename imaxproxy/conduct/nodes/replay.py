"""`imaxproxy replay --ray`: one load from the nodes of a Ray cluster."""

import contextlib
from pathlib import Path
from typing import Any

from imaxproxy.cluster import Cluster, Reservation, close_actors
from imaxproxy.conduct.engine.upstream import EngineChoice
from imaxproxy.conduct.flags.judging import exit_code
from imaxproxy.conduct.flags.load import Load
from imaxproxy.conduct.flags.ray import RayChoice
from imaxproxy.conduct.nodes.engine import RayEngine
from imaxproxy.conduct.nodes.fleet import Fleet, Shape, start_fleet
from imaxproxy.conduct.nodes.node import RayNode
from imaxproxy.conduct.nodes.players import RayPlayers
from imaxproxy.conduct.nodes.preflight import Preflight, check_same_code
from imaxproxy.conduct.output import print_result, say
from imaxproxy.conduct.replay.session import Session, engine_of
from imaxproxy.conduct.replay.trace_file import TraceFile
from imaxproxy.conduct.replay.wording import Wordings
from imaxproxy.errors import UsageError
from imaxproxy.runs import RunDirectory

_CLOSE_S, _ENGINE_CLOSE_S = 10.0, 60.0


def replay_on_ray(trace: Path, choice: EngineChoice, load: Load, ray: RayChoice, flags: dict[str, Any]) -> int:
    """Play, print, and give the exit code. Raises UsageError, before anything starts, for what cannot be played."""
    wordings = Wordings(flags)
    file = TraceFile(trace, flags)
    file.check(load)
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(Cluster(ray.address))
        what = f"{ray.workers_per_node} workers on a node"
        reservation = stack.enter_context(Reservation(cluster, ray.nodes, float(ray.workers_per_node), what))
        load.rules().of_worker(0, reservation.count * ray.workers_per_node)
        check_same_code(reservation)
        actors = reservation.actors(RayNode, None if ray.node_dir is None else str(ray.node_dir))
        stack.callback(close_actors, cluster.ray, actors, _CLOSE_S)
        preflight = Preflight(cluster.ray, reservation.nodes, actors)
        hosts = preflight.hosts()
        preflight.same_tokenizer(flags["tokenizer"])
        traces = preflight.traces(trace)
        run = RunDirectory.create(flags["out"], "replay")
        if not ray.gathers:
            preflight.shared(run.path)
        fleet = None if ray.replicas is None else _fleet(stack, cluster, choice, ray, reservation.count, flags)
        engine = fleet.engine if fleet is not None else stack.enter_context(engine_of(choice, flags, run))
        preflight.engine(engine.url)
        hosts_named = ", ".join(node.name for node in reservation.nodes)
        say(f"imaxproxy: {reservation.count} nodes, {ray.workers_per_node} workers each: {hosts_named}")
        flags = flags | {"workers": reservation.count * ray.workers_per_node}
        session = Session(file, engine, wordings, "replay", flags)
        players = RayPlayers(cluster.ray, ray, reservation.nodes, actors, hosts, traces, flags, fleet)
        summary = session.play_by(players, load, run)
    print_result(summary, run, as_json=flags["as_json"])
    engine.check()
    return exit_code(summary, strict=flags["strict"])


def _fleet(
    stack: contextlib.ExitStack,
    cluster: Cluster,
    choice: EngineChoice,
    ray: RayChoice,
    nodes: int,
    flags: dict[str, Any],
) -> Fleet:
    """The engine's replicas, for as long as the stack. Raises UsageError where the load's nodes cannot share them."""
    replicas = ray.replicas or 1
    if nodes % replicas:
        raise UsageError(
            f"{nodes} nodes cannot share --engine-replicas {replicas} evenly: give --nodes a multiple of {replicas}"
        )
    shape = Shape.of(choice)
    over = f", over {shape.parts} nodes each" if shape.parts > 1 else ""
    what = f"{replicas} replicas of the engine{over}"
    reservation = stack.enter_context(Reservation(cluster, replicas * shape.parts, 1.0, what, shape.gpus))
    actors = reservation.actors(RayEngine, None if ray.node_dir is None else str(ray.node_dir))
    stack.callback(close_actors, cluster.ray, actors, _ENGINE_CLOSE_S)
    return start_fleet(cluster.ray, reservation, actors, choice, flags)
