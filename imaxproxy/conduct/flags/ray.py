"""`--ray`: the flags that put a load onto a cluster's nodes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from imaxproxy.cluster.connection import check_address
from imaxproxy.errors import UsageError
from imaxproxy.runs.shares import LOSS_LIMIT_SHARE

STOP, GO_ON = "stop", "go-on"
_NEEDS_RAY = {
    "nodes": (None, "--nodes"),
    "workers_per_node": (1, "--workers-per-node"),
    "on_node_loss": (STOP, "--on-node-loss"),
    "gather": (True, "--no-gather"),
    "node_dir": (None, "--node-dir"),
    "engine_replicas": (None, "--engine-replicas"),
}
"""What each is without --ray, where none has a meaning."""


@dataclass(frozen=True, slots=True)
class RayChoice:
    """What the flags say. A command that lacks one of them has its default."""

    address: str
    nodes: int | None = None
    workers_per_node: int = 1
    goes_on: bool = False
    loss_limit_share: float = LOSS_LIMIT_SHARE
    gathers: bool = True
    node_dir: Path | None = None
    replicas: int | None = None
    """Of the recipe's engine, each on a node of its own; None: one, beside the command."""

    @classmethod
    def of(cls, flags: dict[str, Any]) -> "RayChoice | None":
        """None without --ray. Raises UsageError for flags that do not go together."""
        if flags["ray"] is None:
            for name, (plain, flag) in _NEEDS_RAY.items():
                if flags.get(name, plain) != plain:
                    raise UsageError(f"{flag} is about the nodes of a cluster: give --ray auto (or an address) too")
            return None
        check_address(flags["ray"])
        for name, plain, why in (
            ("workers", 1, "--workers counts processes of this machine: give --workers-per-node"),
            ("share", None, "--share is for machines that know nothing of each other: leave it out"),
            ("start_time", None, "--start-time is for --share: a cluster's nodes start together by themselves"),
            ("virtual", False, "--virtual simulates in one process: leave --ray out (sweep --ray spreads points)"),
        ):
            if flags.get(name, plain) != plain:
                raise UsageError(f"{why}, with --ray")
        replicas = flags.get("engine_replicas")
        if replicas is not None and flags["recipe"] is None:
            raise UsageError("--engine-replicas are of a recipe: give --engine RECIPE, not --url")
        if replicas is not None and flags.get("repeat", 1) > 1:
            raise UsageError("--repeat has one engine for all repeats: give its --url, not --engine-replicas")
        if replicas is not None and str(flags.get("power")).startswith("file:"):
            raise UsageError(
                "--power file: is a recording of one machine: with --engine-replicas give nvml, or dcgm:URL"
            )
        return cls(
            flags["ray"],
            flags["nodes"],
            flags["workers_per_node"],
            flags.get("on_node_loss", STOP) == GO_ON,
            flags.get("loss_limit", LOSS_LIMIT_SHARE),
            flags["gather"],
            flags["node_dir"],
            replicas,
        )


_NODES = (
    click.option("--ray", metavar="ADDRESS", help="Play on the nodes of this Ray cluster: auto, or its HOST:PORT."),
    click.option(
        "--nodes", type=click.IntRange(min=1), metavar="N", help="With --ray: on N nodes.  [default: all that fit]"
    ),
    click.option(
        "--workers-per-node",
        type=click.IntRange(min=1, max=256),
        default=1,
        show_default=True,
        metavar="M",
        help="With --ray: processes on each node, a CPU each.",
    ),
    click.option(
        "--gather/--no-gather",
        default=True,
        help="With --ray: copy journals to here at the end; or --out is storage that all nodes share.",
    ),
    click.option(
        "--node-dir",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="With --ray: where journals lie on a node until then.  [default: its temporary folder]",
    ),
)
_ONE_RUN = (
    click.option(
        "--on-node-loss",
        type=click.Choice([STOP, GO_ON]),
        default=STOP,
        show_default=True,
        help="With --ray: what becomes of a run whose node or worker dies.",
    ),
    click.option(
        "--loss-limit",
        type=click.FloatRange(0, 1),
        default=LOSS_LIMIT_SHARE,
        show_default=True,
        metavar="SHARE",
        help="With --ray: the meter is not valid when more of the schedule than that was lost.",
    ),
    click.option(
        "--engine-replicas",
        type=click.IntRange(min=1),
        metavar="R",
        help="With --ray: start the recipe's engine on R nodes; the load's nodes take them in turn.",
    ),
)


def nodes_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """The flags that say on which nodes a load is played."""
    return _added(command, _NODES)


def ray_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """All flags that `RayChoice` takes."""
    return _added(command, _NODES + _ONE_RUN)


def _added(command: "click.decorators.FC", options: Sequence[Callable[..., Any]]) -> "click.decorators.FC":
    for option in reversed(options):
        command = option(command)
    return command
