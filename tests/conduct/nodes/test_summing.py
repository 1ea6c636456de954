"""Nodes that sum up their own journals, and the one that does not come back."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli.fake_ray import FakeActor, FakeRay
from runs.made_run import EXCHANGES
from runs.shared_run import make_share

from imaxproxy.conduct.nodes.summing import NodesSummer
from imaxproxy.conduct.replay.players import SumsLost
from imaxproxy.metrics import Trim
from imaxproxy.runs import RunDirectory
from imaxproxy.runs.outline import Outline
from imaxproxy.runs.partial_sums import Counting
from imaxproxy.runs.summing import JournalSummer


class OnNode(JournalSummer):
    """As the actor answers."""

    def outline(self, trim: Trim) -> Outline:
        return super().outline(trim).extent()


def summer_of(folder: Path, nodes: int) -> tuple[NodesSummer, list[FakeActor]]:
    runs = [make_share(folder / str(n), n, nodes, EXCHANGES[n::nodes]) for n in range(nodes)]
    actors = [FakeActor(OnNode(RunDirectory(run))) for run in runs]
    players: list[Any] = [
        SimpleNamespace(actor=actor, node=SimpleNamespace(name=f"host{n}")) for n, actor in enumerate(actors)
    ]
    return NodesSummer(FakeRay(), players), actors


def test_the_nodes_sums_are_added_up(tmp_path: Path) -> None:
    summer, _ = summer_of(tmp_path, 3)
    heard: list[float] = []
    summer.progress = heard.append
    outline = summer.outline(Trim())
    windows = outline.finder.close()
    assert windows is not None
    sums = summer.sums(Counting(windows, outline.values))
    assert sums.tallies()["whole"].tally.sent == len(EXCHANGES)
    assert sums.health.cpu_share == pytest.approx(0.01)
    assert heard == pytest.approx([0.25 / 3, 0.5 / 3, 0.25, 0.5, 0.75, 1.0])


def test_a_node_that_is_gone_is_named(tmp_path: Path) -> None:
    summer, actors = summer_of(tmp_path, 2)
    actors[1].dead = True
    with pytest.raises(SumsLost, match="node host1 was lost while it summed up"):
        summer.outline(Trim())


def test_a_bug_on_a_node_is_none_of_the_clusters(tmp_path: Path) -> None:
    summer, actors = summer_of(tmp_path, 2)
    actors[0].kept.outline = lambda trim: 1 // 0
    with pytest.raises(ZeroDivisionError):
        summer.outline(Trim())
