"""A player's live view: fed by what workers say and by journals, on a clock that moves when told."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.clock import NS_PER_S, VirtualClock
from imaxproxy.live.feed import Beside, CrewView, PlayerFeed, SnapshotMaker
from imaxproxy.metrics import (
    ANSWER,
    WARMUP,
    Ask,
    CountedBy,
    Exchange,
    HealthSample,
    LivePart,
    Outcome,
    Timeline,
    Usage,
    mark,
    objectives_of,
)
from imaxproxy.runs import Journal, RunDirectory

START_NS = 50 * NS_PER_S


class Crew:
    """Workers that answer when the test says."""

    def __init__(self, size: int) -> None:
        self.size, self.looks = size, 0
        self.on_live: Callable[[int, dict[str, Any]], None] = lambda _worker, _row: None
        self.zero_ns: int | None = START_NS

    def look(self) -> None:
        self.looks += 1


class Scene:
    def __init__(self, folder: Path, workers: int = 1, **how: Any) -> None:  # noqa: ANN401
        self.run, self.crew, self.clock = RunDirectory(folder), Crew(workers), VirtualClock(START_NS)
        self.journal = Journal(self.run)
        objectives = how.pop("objectives", ())
        maker = SnapshotMaker("replay", "a title", START_NS, Beside(self.run, None, {}), objectives)
        view = CrewView(self.run, self.crew, objectives, self.clock)
        self.feed = PlayerFeed(view, maker, clock_ns=self.clock, **how)
        self.shown: list[dict[str, Any]] = []

    def answer(self, worker: int = 0, **counts: int) -> None:
        self.crew.on_live(worker, LivePart(self.clock(), self.clock() - NS_PER_S, **counts).as_row())

    def end(self, name: str, kind: str | None = None) -> None:
        at_ns = self.clock()
        ask = Ask(name, "/v1/chat/completions", at_ns - NS_PER_S, at_ns - NS_PER_S, dialect="chat", kind=kind)
        timeline = Timeline([at_ns - 1000, at_ns], [mark(ANSWER, 2)] * 2)
        self.journal.add(
            Exchange(
                ask,
                Outcome.COMPLETED,
                at_ns,
                streamed=True,
                model="m",
                usage=Usage(10, 4),
                counted_by=CountedBy.USAGE,
                timeline=timeline,
            )
        )


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path, requests=4, objectives=objectives_of("ttft_ms<500"))
    made.feed.viewers.append(made.shown.append)
    return made


def test_a_snapshot_is_of_the_workers_and_the_journal(scene: Scene) -> None:
    scene.end("w", kind=WARMUP)
    scene.end("a")
    scene.clock.advance(2 * NS_PER_S)
    scene.journal.add_health(HealthSample(0, scene.clock(), NS_PER_S, NS_PER_S // 2, {100: 5}))
    scene.feed.tick()
    assert (scene.crew.looks, scene.shown) == (1, [])
    scene.answer(events=30, in_flight=2, open_events=30)
    (shown,) = scene.shown
    assert (shown["source"], shown["title"], shown["elapsed_s"]) == ("replay", "a title", 2.0)
    assert (shown["run"]["requests"]["completed"], shown["run"]["tokens"]["output"]) == (1, 4)
    assert (shown["now"]["output_tokens_per_s"], shown["now"]["events_per_s"]) == (60.0, 30.0)  # 2 tokens an event
    assert (shown["in_flight"]["count"], shown["meter"]["cpu_share"]) == (2, 0.5)
    assert shown["progress"] == {"done": 1, "of": 4, "unit": "requests", "points": []}
    assert shown["remaining_s"] == 6.0
    assert shown["slo"] == {
        "text": "ttft_ms<500@p99",
        "attainment": 0.0,
        "goodput_requests_per_s": 0.0,
        "met": 0,
        "of": 1,
    }


def test_the_journal_is_read_on_and_never_twice(scene: Scene) -> None:
    for number in range(3):
        scene.end(f"r{number}")
        scene.clock.advance(NS_PER_S)
        scene.feed.tick()
        scene.answer()
    assert [each["run"]["requests"]["sent"] for each in scene.shown] == [1, 2, 3]


def test_a_line_that_is_half_written_waits(scene: Scene) -> None:
    scene.end("a")
    path = scene.run.journal(0)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    scene.feed.tick()
    scene.answer()
    path.write_bytes(whole + whole)
    scene.clock.advance(NS_PER_S)
    scene.feed.tick()
    scene.answer()
    assert [each["run"]["requests"]["sent"] for each in scene.shown] == [1, 2]


def test_nobody_is_asked_without_viewers_or_before_a_second_is_over(scene: Scene) -> None:
    scene.feed.tick()
    scene.answer()
    scene.feed.tick()
    assert scene.crew.looks == 1
    scene.feed.viewers.clear()
    scene.clock.advance(5 * NS_PER_S)
    scene.feed.tick()
    assert scene.crew.looks == 1


def test_a_worker_that_is_late_counts_in_the_next_one(tmp_path: Path) -> None:
    scene = Scene(tmp_path, workers=2)
    scene.feed.viewers.append(scene.shown.append)
    scene.feed.tick()
    scene.answer(0, in_flight=1)
    assert scene.shown == []
    scene.clock.advance(NS_PER_S // 4)
    scene.feed.tick()
    assert [each["in_flight"]["count"] for each in scene.shown] == [1]
    scene.answer(1, in_flight=5, events=10)
    assert len(scene.shown) == 1
    scene.clock.advance(NS_PER_S)
    scene.feed.tick()
    scene.answer(0, in_flight=2)
    scene.answer(1, in_flight=4, events=10)
    assert scene.shown[1]["in_flight"]["count"] == 6
    assert scene.shown[1]["now"]["events_per_s"] == pytest.approx(20 / scene.shown[1]["now"]["seconds"])


def test_a_worker_that_says_nothing_keeps_what_it_had_in_flight_for_three_seconds(tmp_path: Path) -> None:
    scene = Scene(tmp_path, workers=2)
    scene.feed.viewers.append(scene.shown.append)
    scene.feed.tick()
    scene.answer(0, in_flight=1)
    scene.answer(1, in_flight=5)
    for _ in range(4):
        scene.clock.advance(NS_PER_S)
        scene.feed.tick()
        scene.answer(0, in_flight=2)
        scene.clock.advance(NS_PER_S // 5)
        scene.feed.tick()
    assert [each["in_flight"]["count"] for each in scene.shown] == [6, 7, 7, 2, 2]


def test_a_node_hands_on_what_has_come_since_the_last_look(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.end("a")
    view = CrewView(scene.run, scene.crew, (), scene.clock)
    scene.crew.look = lambda: scene.answer(events=3)  # type: ignore[method-assign]
    look = view.look()
    assert (look.part.events, look.totals.tally.sent) == (3, 1)
    scene.end("b")
    scene.clock.advance(NS_PER_S)
    look = pickle.loads(pickle.dumps(view.look()))
    assert (look.part.events, look.totals.tally.sent) == (3, 1)
    scene.crew.look = lambda: None  # type: ignore[method-assign]
    late = view.look()
    assert (late.part.at_ns, late.totals.tally.sent) == (0, 0)


def test_time_that_is_left_by_the_clock(tmp_path: Path) -> None:
    scene = Scene(tmp_path, duration_s=10.0)
    scene.feed.viewers.append(scene.shown.append)
    scene.clock.advance(4 * NS_PER_S)
    scene.feed.tick()
    scene.answer()
    assert (scene.shown[0]["remaining_s"], scene.shown[0]["progress"]) == (6.0, None)


def test_a_bug_in_the_view_ends_no_run(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    def breaks() -> None:
        raise ZeroDivisionError("ours")

    scene.crew.look = breaks  # type: ignore[method-assign]
    scene.feed.tick()
    assert "ZeroDivisionError: ours" in capsys.readouterr().err
    scene.clock.advance(2 * NS_PER_S)
    scene.feed.tick()  # nobody looks any more
    assert (scene.shown, scene.feed.viewers) == ([], [])
