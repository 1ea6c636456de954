from collections.abc import Iterator
from pathlib import Path

import pytest

from imaxproxy.conduct.sweeps.process import PointProcess
from imaxproxy.errors import ImaxproxyError
from imaxproxy.sweep import Point, finished, load_sweep

SPEC = """schema = "imaxproxy.sweep/1"
concurrency = [1, 2]
[workload.tiny]
input_length = 20
output_length = 8
[recipe.fixed]
engine = "fixed-5ms"
"""


@pytest.fixture
def points(tmp_path: Path) -> tuple[Point, ...]:
    path = tmp_path / "sweep.toml"
    path.write_text(SPEC)
    (curve,) = load_sweep(path).curves(tmp_path / "out")
    for point in curve.points:
        assert point.file is not None
        point.file[0].parent.mkdir(parents=True, exist_ok=True)
        point.file[0].write_text(point.file[1])
    return curve.points


@pytest.fixture
def worker() -> Iterator[PointProcess]:
    made = PointProcess()
    yield made
    made.close()


def test_a_crash_costs_the_point_and_no_other(worker: PointProcess, points: tuple[Point, ...]) -> None:
    worker._started().kill()
    with pytest.raises(ImaxproxyError, match="the process that played it ended with code -9"):
        worker.play(points[0])
    worker.play(points[1])
    assert finished(points[0].run) is None
    assert finished(points[1].run) is not None


def test_what_replay_refuses_is_the_reason(worker: PointProcess, points: tuple[Point, ...]) -> None:
    worker.play(points[0])
    with pytest.raises(ImaxproxyError, match="holds a run already"):
        worker.play(points[0])


def test_one_that_was_killed_starts_no_other(worker: PointProcess, points: tuple[Point, ...]) -> None:
    worker.kill()
    with pytest.raises(ImaxproxyError, match="interrupted"):
        worker.play(points[0])


def test_one_that_is_ended_while_it_plays_says_so_and_is_closed_once(
    worker: PointProcess, points: tuple[Point, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Ctrl-C, where the command ends and closes it under the thread that waits for its answer."""
    process = worker._started()
    waited = process.wait

    def wait(timeout: float | None = None) -> int:
        monkeypatch.undo()
        worker.close()
        return waited(timeout)

    process.kill()
    monkeypatch.setattr(process, "wait", wait)
    with pytest.raises(ImaxproxyError, match="the process that played it ended with code -9"):
        worker.play(points[0])
