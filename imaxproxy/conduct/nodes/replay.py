"""`imaxproxy replay --ray`: one load from the nodes of a Ray cluster."""

import contextlib
from pathlib import Path
from typing import Any

from imaxproxy.cluster import Reservation, close_actors
from imaxproxy.conduct.engine.chosen import engine_of
from imaxproxy.conduct.engine.upstream import EngineChoice
from imaxproxy.conduct.flags.judging import exit_code
from imaxproxy.conduct.flags.load import Load
from imaxproxy.conduct.flags.ray import RayChoice
from imaxproxy.conduct.flags.screen import screen_of
from imaxproxy.conduct.nodes.engine import RayEngine
from imaxproxy.conduct.nodes.fleet import Fleet, Shape, start_fleet
from imaxproxy.conduct.nodes.held import HeldNodes, held_nodes
from imaxproxy.conduct.output import print_repeats, print_result
from imaxproxy.conduct.replay.repeating import play_repeats
from imaxproxy.conduct.replay.session import Session
from imaxproxy.conduct.replay.trace_file import TraceFile
from imaxproxy.conduct.replay.wording import Wordings
from imaxproxy.errors import UsageError
from imaxproxy.runs import RunDirectory

_ENGINE_CLOSE_S = 60.0


def replay_on_ray(trace: Path, choice: EngineChoice, load: Load, ray: RayChoice, flags: dict[str, Any]) -> int:
    """Play, print, and give the exit code. Raises UsageError, before anything starts, for what cannot be played."""
    wordings = Wordings(flags)
    file = TraceFile(trace, flags)
    file.check(load)
    repeats = flags["repeat"] > 1
    with contextlib.ExitStack() as stack:
        nodes = stack.enter_context(held_nodes(trace, load, ray, flags))
        run = RunDirectory.create(flags["out"], "replay")
        nodes.check(run)
        fleet = None if ray.replicas is None else _fleet(stack, nodes, choice, ray.replicas, flags, run)
        engine = fleet.engine if fleet is not None else stack.enter_context(engine_of(choice, flags, run))
        nodes.check_engine(engine.url)
        screen = stack.enter_context(screen_of(flags, f"replay {trace}"))
        session = Session(file, engine, wordings, "replay", nodes.flags, screen=screen)
        if repeats:
            result, code = play_repeats(session, lambda each: session.play_by(nodes.players(), load, each), run, flags)
        else:
            summary = session.play_by(nodes.players(fleet), load, run)
    if repeats:
        print_repeats(result, run, as_json=flags["as_json"])
        engine.check()
        return code
    print_result(summary, run, as_json=flags["as_json"])
    engine.check()
    return exit_code(summary, strict=flags["strict"])


def _fleet(
    stack: contextlib.ExitStack,
    nodes: HeldNodes,
    choice: EngineChoice,
    replicas: int,
    flags: dict[str, Any],
    run: RunDirectory,
) -> Fleet:
    """The engine's replicas, for as long as the stack. Raises UsageError where the load's nodes cannot share them."""
    if nodes.count % replicas:
        raise UsageError(
            f"{nodes.count} nodes cannot share --engine-replicas {replicas} evenly: give --nodes a multiple of "
            f"{replicas}"
        )
    cluster, below, shape = nodes.cluster, nodes.choice.node_dir, Shape.of(choice)
    over = f", over {shape.parts} nodes each" if shape.parts > 1 else ""
    what = f"{replicas} replicas of the engine{over}"
    reservation = stack.enter_context(Reservation(cluster, replicas * shape.parts, 1.0, what, shape.gpus))
    actors = reservation.actors(RayEngine, None if below is None else str(below))
    stack.callback(close_actors, cluster.ray, actors, _ENGINE_CLOSE_S)
    return start_fleet(cluster.ray, reservation, actors, choice, flags, run)
