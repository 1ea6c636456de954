"""What a node has of a run: put onto the command's clock there, and brought to the command."""

import shutil
from pathlib import Path
from typing import Any

from imaxproxy.cluster import fetch
from imaxproxy.conduct.nodes.player import NodePlayer
from imaxproxy.runs import RunDirectory
from imaxproxy.runs.helpers import cores
from imaxproxy.runs.shift import move_all, moves_of


def move_files(run: RunDirectory, to: Path, by_ns: int, processes: int) -> list[Path]:
    """Write a run's journals and meters to another folder, each whole or not at all, moved; the new files."""
    to.mkdir(parents=True, exist_ok=True)
    moves = moves_of(run, RunDirectory(to), by_ns, removes=True)
    move_all(moves, processes)
    return [move.to for move in moves]


def bring(ray: Any, player: NodePlayer, run: RunDirectory, *, shared: bool) -> None:  # noqa: ANN401 (the library)
    """Copy a node's files to here; shared: they are, but for what a node that was lost has left unmoved.

    Raises ImaxproxyError for a file that came broken, and whatever Ray raises of a node that is gone.
    """
    if shared:
        left = RunDirectory(run.path / f"node-{player.share.index}")
        if player.found is None and left.path.is_dir():
            move_files(left, run.path, player.to_command_ns, cores())
            shutil.rmtree(left.path, ignore_errors=True)
        return
    for facts in player.found.files if player.found is not None else ():
        fetch(ray, player.actor.read.remote, facts, run.path / Path(facts.name).name)
