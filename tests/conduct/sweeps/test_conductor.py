"""Curves without engines: a run is a summary that the test writes."""

from pathlib import Path
from typing import Any

import pytest

from imaxproxy.conduct.sweeps.conductor import Conductor
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.runs import write_json
from imaxproxy.sweep import DONE, FAILED, PENDING, SKIPPED, Curve, Point, SweepRecord
from imaxproxy.sweep.point import CONCURRENCY, VIRTUAL, Variant

LOADS = (1, 2, 4, 8)


@pytest.fixture
def curve(tmp_path: Path) -> Curve:
    variant = Variant("b200", "b200", VIRTUAL, ())
    points = [
        Point(variant, "w", CONCURRENCY, load, repeat, tmp_path / "w" / f"c{load}.r{repeat}", (), 1.0)
        for load in LOADS
        for repeat in (1, 2)
    ]
    return Curve(variant, "w", tuple(points))


def summary(total_tokens_per_s: float = 1.0, **requests: int) -> dict[str, Any]:
    counts = {"sent": 100, "completed": 100, "failed": 0, "truncated": 0, "by_error": {}} | requests
    throughput = {"total_tokens_per_s": total_tokens_per_s}
    return {"schema": "imaxproxy.summary/1", "ended": "finished", "requests": counts, "throughput": throughput}


def write(point: Point, found: dict[str, Any]) -> None:
    point.run.mkdir(parents=True)
    write_json(point.run / "summary.json", found)


@pytest.fixture
def record(curve: Curve, tmp_path: Path) -> SweepRecord:
    return SweepRecord(tmp_path, {"spec_sha256": "1"}, [curve])


def played(curve: Curve, record: SweepRecord) -> list[str]:
    return [record.state(point) for point in curve.points]


def test_a_failed_point_does_not_end_its_curve(curve: Curve, record: SweepRecord) -> None:
    def play(point: Point) -> None:
        if point.run.name == "c1.r1":
            raise ImaxproxyError("no room")
        if point.run.name == "c1.r2":
            raise ValueError("a bug")
        bad = {"failed": 6, "by_error": {"timeout": 6}} if point.run.name == "c2.r1" else {}
        write(point, summary(point.amount, **bad))  # type: ignore[arg-type]

    Conductor(record, [curve], knee=True).play(curve, play)
    assert played(curve, record) == [FAILED] * 3 + [DONE] * 5
    reasons = [record.reason(point) for point in curve.points[:4]]
    assert reasons == ["no room", "ValueError: a bug", "6 of 100 requests failed: timeout 6", ""]


def test_repeats_of_a_load_count_by_their_mean(curve: Curve, record: SweepRecord) -> None:
    rates = {1: (100, 100), 2: (90, 118), 4: (100, 100), 8: (100, 100)}  # 118 alone would be no knee

    def play(point: Point) -> None:
        write(point, summary(rates[int(point.amount)][point.repeat - 1]))

    Conductor(record, [curve], knee=True).play(curve, play)
    assert played(curve, record) == [DONE] * 6 + [SKIPPED] * 2


def test_what_was_stopped_does_not_count_and_nothing_follows(curve: Curve, record: SweepRecord) -> None:
    conductor = Conductor(record, [curve], knee=True)

    def play(point: Point) -> None:
        if point.run.name == "c1.r2":
            conductor.stop()
            raise ImaxproxyError("killed")
        write(point, summary())

    conductor.play(curve, play)
    assert played(curve, record) == [DONE] + [PENDING] * 7


def test_the_next_run_knows_why_a_point_failed(curve: Curve, record: SweepRecord, tmp_path: Path) -> None:
    record.set(curve.points[0], DONE)
    record.set(curve.points[1], FAILED, "no room")
    record.save()
    again = SweepRecord(tmp_path, {"spec_sha256": "1"}, [curve])
    assert [again.state(point) for point in curve.points[:3]] == [PENDING, FAILED, PENDING]
    assert again.reason(curve.points[1]) == "no room"
    with pytest.raises(UsageError, match="holds a sweep of another spec"):
        SweepRecord(tmp_path, {"spec_sha256": "2"}, [curve])
    (tmp_path / "sweep.json").write_text('{"spec_sha256": "1", "points": [{}]}')
    with pytest.raises(UsageError, match="is no sweep's record"):
        SweepRecord(tmp_path, {"spec_sha256": "1"}, [curve])


def test_half_a_run_is_begun_anew_and_a_whole_one_is_not(curve: Curve, record: SweepRecord) -> None:
    write(curve.points[0], summary())
    write(curve.points[1], summary() | {"ended": "interrupted"})
    (curve.points[2].run).mkdir(parents=True)
    seen: list[str] = []

    def play(point: Point) -> None:
        assert not point.run.exists()
        seen.append(point.run.name)
        write(point, summary(point.amount))

    Conductor(record, [curve], knee=False).play(curve, play)
    assert seen == [point.run.name for point in curve.points[1:]]
    assert played(curve, record) == [DONE] * 8
