"""What engines on several nodes draw, told as one machine's; nodes answer when the test says."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

from cli.fake_ray import FakeRay, RayActorError

from imaxproxy.conduct.nodes.fleet_power import FleetPower
from imaxproxy.power import read_now

AHEAD_NS = 10**12


class Actor:
    """An engine's, whose clock is AHEAD_NS before ours."""

    def __init__(self) -> None:
        self.asked: list[Future[Any]] = []
        self.power_now = self

    def remote(self) -> "Future[Any]":
        self.asked.append(Future())
        return self.asked[-1]

    def says(self, time_ns: int, watts: float | None, energy_j: float, source: str = "NVML") -> None:
        row = {"schema": "imaxproxy.power_now/1", "time_ns": time_ns + AHEAD_NS, "since_ns": 5 + AHEAD_NS}
        what = {"boards": 8, "boundary": "board", "source": source, "simulated": False}
        self.asked[-1].set_result(row | {"watts": watts, "energy_j": energy_j} | what)


class Clock:
    s = 100.0

    def __call__(self) -> float:
        self.s += 1.0
        return self.s


def test_two_nodes_boards_are_one_row_as_old_as_the_older(tmp_path: Path) -> None:
    actors, path = [Actor(), Actor()], tmp_path / "power-now.json"
    power = FleetPower(FakeRay, [(actor, -AHEAD_NS) for actor in actors], path, Clock())
    power.tick()
    actors[0].says(1000, 300.0, 50.0)
    power.tick()
    assert read_now(path) is None  # the other one has said nothing so far
    assert [len(actor.asked) for actor in actors] == [2, 1]  # and is not asked twice
    actors[0].says(2000, 310.0, 60.0)
    actors[1].says(1500, 100.0, 7.0, "DCGM")
    power.tick()
    row = read_now(path)
    assert row is not None
    assert (row["time_ns"], row["since_ns"], row["watts"], row["boards"]) == (1500, 5, 410.0, 16)
    assert (row["energy_j"], row["source"], row["boundary"]) == (67.0, "DCGM, NVML", "board")
    actors[0].says(3000, None, 70.0)  # a board that is lost
    actors[1].asked[-1].set_exception(RayActorError("gone"))
    power.tick()
    row = read_now(path)
    assert row is not None
    assert (row["time_ns"], row["watts"], row["energy_j"]) == (1500, None, 77.0)
    power.close()
    assert read_now(path) is None


def test_what_was_drawn_before_is_known_when_the_run_begins(tmp_path: Path) -> None:
    actor, path = Actor(), tmp_path / "power-now.json"
    power = FleetPower(FakeRay, [(actor, -AHEAD_NS)], path)
    done: Future[Any] = Future()
    actor.remote = lambda: done  # type: ignore[method-assign]
    actor.asked.append(done)
    actor.says(1000, 200.0, 4000.0)
    power.begin()
    row = read_now(path)
    assert row is not None
    assert row["energy_j"] == 4000.0


def test_a_disk_that_is_full_ends_no_run(tmp_path: Path) -> None:
    actor = Actor()
    power = FleetPower(FakeRay, [(actor, 0)], tmp_path / "nowhere" / "power-now.json", Clock())
    power.tick()
    actor.says(1000, 300.0, 50.0)
    power.tick()
    power.close()
