"""Replicas of a simulated engine as one engine of a run, every replica's actor an object of this process."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli.fake_ray import FakeActor, FakeRay

from imaxproxy.cli.replay import replay
from imaxproxy.cluster import Node, close_actors
from imaxproxy.conduct.engine.upstream import EngineChoice
from imaxproxy.conduct.nodes.engine import RayEngine
from imaxproxy.conduct.nodes.fleet import Shape, start_fleet
from imaxproxy.errors import UsageError
from imaxproxy.power import Device, PowerSample, read_power
from imaxproxy.runs import RunDirectory

pytestmark = pytest.mark.ray


def flags(*argv: str) -> dict[str, Any]:
    words = ["trace.jsonl", "--engine", "gpt-oss-120b-b200-vllm", "--simulate", *argv]
    return dict(replay.make_context("replay", words).params)


@pytest.fixture
def actors(tmp_path: Path) -> Iterator[list[FakeActor]]:
    made = [FakeActor(RayEngine(str(tmp_path))) for _ in range(2)]
    yield made
    close_actors(FakeRay, made, 30.0)
    assert not list(tmp_path.glob("imaxproxy-engine-*"))


def reservation(count: int) -> Any:  # noqa: ANN401 (its nodes are all that is asked)
    return SimpleNamespace(nodes=[Node(f"{number:08}", "127.0.0.1", f"host{number}", 2.0) for number in range(count)])


def test_replicas_are_one_engine_with_the_boards_of_all(actors: list[FakeActor], tmp_path: Path) -> None:
    asked = flags("--power", "sim")
    choice = EngineChoice.of(asked, "--url", None)
    run = RunDirectory.create(tmp_path / "run", "replay")
    fleet = start_fleet(FakeRay, reservation(2), actors, choice, asked, run)
    assert fleet.engine.described is not None
    assert (fleet.engine.described["gpus"], len(fleet.engine.described["replicas"])) == (2, 2)
    urls = [str(fleet.url_of(node)) for node in range(4)]
    assert urls[:2] == urls[2:]
    assert len(set(urls)) == 2
    assert fleet.hear() is None
    fleet.finish(run)
    lines = list(read_power(run.power))
    devices = {line.device for line in lines if isinstance(line, Device)}
    assert len(devices) == 2
    assert {name.split(":")[0] for name in devices} == {"replica-0", "replica-1"}
    assert {line.device for line in lines if isinstance(line, PowerSample)} <= devices  # a short life has few
    for name in devices:
        times_ns = [line.time_ns for line in lines if isinstance(line, PowerSample) and line.device == name]
        assert times_ns == sorted(times_ns)


def test_one_that_does_not_come_up_is_named(actors: list[FakeActor], tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", "replay")
    asked = flags()
    choice = EngineChoice.of(asked, "--url", None)
    with pytest.raises(UsageError, match=r"the engine on node host. .* did not come up: .*--time-scale is above 0"):
        start_fleet(FakeRay, reservation(2), actors, choice, asked | {"time_scale": 0.0}, run)


def test_a_replica_that_dies_is_heard_of_once(actors: list[FakeActor], tmp_path: Path) -> None:
    asked, run = flags(), RunDirectory.create(tmp_path / "run", "replay")
    fleet = start_fleet(FakeRay, reservation(2), actors, EngineChoice.of(asked, "--url", None), asked, run)
    actors[1].dies_at = "death"
    said = None
    while said is None:
        said = fleet.hear()
    assert said.startswith("the engine on node host1")
    assert fleet.hear() is None
    assert fleet.died == said


def test_gpus_are_for_real_engines() -> None:
    simulated = Shape.of(EngineChoice.of(flags(), "--url", None))
    assert (simulated.parts, simulated.gpus) == (1, 0)
    real = Shape.of(EngineChoice.of(flags() | {"simulate": False}, "--url", None))
    assert (real.parts, real.gpus) == (1, 1)


def test_a_node_that_dies_before_its_engine_is_started_is_named(actors: list[FakeActor], tmp_path: Path) -> None:
    asked = flags()
    choice, run = EngineChoice.of(asked, "--url", None), RunDirectory.create(tmp_path / "run", "replay")
    actors[1].dies_at = "clock"
    with pytest.raises(UsageError, match=r"node host1 .* was lost before the engine on it was started"):
        start_fleet(FakeRay, reservation(2), actors, choice, asked, run)
