"""A sweep's points in places of a cluster, every place an object of this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.fake_ray import FakeRay

from imaxproxy.conduct.sweeps.on_cluster import Wants, _Place
from imaxproxy.errors import ImaxproxyError
from imaxproxy.sweep import Point, finished, load_sweep

pytestmark = pytest.mark.ray
SPEC = """schema = "imaxproxy.sweep/1"
concurrency = [1, 2]
[workload.tiny]
input_length = 20
output_length = 8
[recipe.b200]
engine = "gpt-oss-120b-b200-vllm"
set.parallel.tp = 1
"""


@pytest.fixture
def points(tmp_path: Path) -> tuple[Point, ...]:
    path = tmp_path / "sweep.toml"
    path.write_text(SPEC)
    (curve,) = load_sweep(path).curves(tmp_path / "out")
    for file in (curve.variant.file, *(point.file for point in curve.points)):
        assert file is not None
        file[0].parent.mkdir(parents=True, exist_ok=True)
        file[0].write_text(file[1])
    return curve.points


@pytest.fixture
def place() -> Iterator[_Place]:
    made = _Place(FakeRay(), Wants(1.0))
    yield made
    made.close()


@pytest.mark.parametrize("is_shipped", [False, True])
def test_a_point_comes_back_whole(
    place: _Place, points: tuple[Point, ...], is_shipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the node has the same files at the same place, and where it has not."""
    if is_shipped:
        monkeypatch.setattr("imaxproxy.conduct.sweeps.sweeper.RaySweeper.has", lambda *_: False)
    for point in points:
        place.play(point)
        assert finished(point.run) is not None
    folder = points[0].run.parent
    assert not list(folder.glob(".*"))
    assert {path.name for path in points[0].run.iterdir()} >= {"manifest.json", "exchanges-0.jsonl", "summary.json"}


def test_a_node_that_dies_costs_the_point_and_the_next_one_has_a_new_place(
    place: _Place, points: tuple[Point, ...]
) -> None:
    place._started().dies_at = "play"
    with pytest.raises(ImaxproxyError, match="its node was lost"):
        place.play(points[0])
    assert not points[0].run.exists()
    place.play(points[1])
    assert finished(points[1].run) is not None


def test_what_no_node_holds_is_said_and_not_waited_for(points: tuple[Point, ...]) -> None:
    with pytest.raises(ImaxproxyError, match="it wants 1 CPUs and 8 GPUs on one node, and no node has them"):
        _Place(FakeRay(gpus=4.0), Wants(1.0, 8)).play(points[0])


def test_one_that_was_killed_plays_nothing(place: _Place, points: tuple[Point, ...]) -> None:
    place.kill()
    with pytest.raises(ImaxproxyError, match="interrupted"):
        place.play(points[0])


def test_a_recipe_that_spans_nodes_is_refused_in_a_line(tmp_path: Path) -> None:
    recipe = tmp_path / "two.toml"
    base = 'schema = "imaxproxy.recipe/1"\nextends = "gpt-oss-120b-b200-tp8-vllm"\n'
    recipe.write_text(f"{base}[parallel]\nnodes = 2\n")
    path = tmp_path / "sweep.toml"
    path.write_text(SPEC.replace("gpt-oss-120b-b200-vllm", str(recipe)).replace("set.parallel.tp = 1", 'mode = "real"'))
    (curve,) = load_sweep(path).curves(tmp_path / "out")
    place = _Place(FakeRay(gpus=8.0), Wants.of(curve.variant))
    with pytest.raises(ImaxproxyError, match="recipe two spans nodes, and a sweep plays each point on one: play each"):
        place.play(curve.points[0])
    place.close()
