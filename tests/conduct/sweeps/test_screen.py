from pathlib import Path
from typing import Any

import pytest

from imaxproxy.conduct.sweeps.screen import SweepScreen
from imaxproxy.live.snapshot import Snapshot
from imaxproxy.sweep import DONE, FAILED, Curve, Point, SweepRecord, Variant


class Hosted:
    """A screen that keeps what it is shown, and is left at once: nothing ticks."""

    is_up = False

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []

    def show(self, snapshot: dict[str, Any]) -> None:
        self.shown.append(snapshot)


def curve(folder: Path, mode: str, count: int) -> Curve:
    variant = Variant("b200", "b200", mode, ())
    points = [
        Point(variant, "chat", "concurrency", n, 1, folder / "chat" / f"b200-c{n}", (), 1.0) for n in range(count)
    ]
    return Curve(variant, "chat", tuple(points))


def screen_of(folder: Path, mode: str = "simulate", count: int = 3) -> tuple[SweepScreen, SweepRecord, Curve, Hosted]:
    curves = [curve(folder, mode, count)]
    record, hosted = SweepRecord(folder, {"spec_sha256": "0"}, curves), Hosted()
    return SweepScreen(hosted, "sweep two", record, curves, lambda: 7.0), record, curves[0], hosted  # type: ignore[arg-type]


def test_each_point_says_how_it_stands(tmp_path: Path) -> None:
    screen, record, made, _ = screen_of(tmp_path)
    record.set(made.points[0], FAILED, "no request completed")
    screen.begin(made.points[1])
    told = screen.progress()
    assert (told["done"], told["of"], told["unit"]) == (1, 3, "points")
    assert [point["state"] for point in told["points"]] == ["failed", "playing", "pending"]
    assert [point["name"] for point in told["points"]] == ["chat/b200-c0", "chat/b200-c1", "chat/b200-c2"]
    assert told["points"][0]["reason"] == "no request completed"
    screen.end(made.points[1])
    assert screen.progress()["points"][1]["state"] == "pending"


def test_of_thousands_those_around_the_one_that_is_played(tmp_path: Path) -> None:
    screen, record, made, _ = screen_of(tmp_path, count=500)
    for point in made.points[:250]:
        record.set(point, DONE)
    told = screen.progress()
    assert (told["done"], told["of"]) == (250, 500)
    assert len(told["points"]) == 80
    assert told["points"][40]["name"] == "chat/b200-c250"


def test_a_points_snapshot_is_the_sweeps(tmp_path: Path) -> None:
    """How long the point still takes is not how long the sweep does."""
    screen, _, _, hosted = screen_of(tmp_path)
    screen.show({"schema": "imaxproxy.live/1", "source": "replay", "remaining_s": 4.0, "elapsed_s": 3.0})
    (shown,) = hosted.shown
    assert (shown["source"], shown["remaining_s"], shown["elapsed_s"]) == ("sweep", None, 3.0)


@pytest.mark.parametrize(
    ("mode", "simulated"), [("virtual", True), ("simulate", True), ("real", False), ("url", False)]
)
def test_between_points_the_points_are_all_there_is(tmp_path: Path, mode: str, simulated: bool) -> None:
    screen, _, _, _ = screen_of(tmp_path, mode)
    alone = Snapshot.of(screen._alone())
    assert (alone.source, alone.title, alone.simulated) == ("sweep", "sweep two", simulated)
    assert alone.progress is not None
    assert len(alone.progress["points"]) == 3


def test_without_a_screen_nothing_is_shown(tmp_path: Path) -> None:
    made = curve(tmp_path, "real", 1)
    screen = SweepScreen(None, "sweep", SweepRecord(tmp_path, {"spec_sha256": "0"}, [made]), [made])
    assert not screen.is_up
    screen.show({"schema": "imaxproxy.live/1"})
