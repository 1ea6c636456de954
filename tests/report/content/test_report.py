from pathlib import Path

import pytest
from runs.made_run import ENGINE, answered, make_run

from imaxproxy.economics import Terms
from imaxproxy.errors import UsageError
from imaxproxy.report.content import Asked, gather
from imaxproxy.runs.imports import Baseline

TRACE = {"path": "chat.jsonl", "sha256": "abcdef0123", "skipped": 0, "clamped": 0}


def runs(folder: Path, loads: int = 3, **engine: object) -> None:
    for number in range(loads):
        exchanges = [answered(at, [10 + number] * 20) for at in range(4)]
        settings = {"concurrency": 4 * 2**number, "endpoint": "chat"}
        make_run(folder / f"c{number}", exchanges, engine=ENGINE | engine, settings=settings, trace=TRACE)


def test_all_of_it_is_there_and_joined_by_place(tmp_path: Path) -> None:
    runs(tmp_path)
    report = gather([tmp_path])
    assert [run.name for run in report.runs] == ["c0", "c1", "c2"]
    assert sorted(place for point in report.points for place in point.runs) == [0, 1, 2]
    assert set(report.distributions) == set(report.details) == {0, 1, 2}
    assert set(report.windows[0]) == {"warmup", "steady", "drain"}
    assert [gpu.gpu for gpu in report.prices.gpus] == ["b200"]
    assert (report.left_out, report.notes) == ([], [])
    assert [each["b"]["path"][-2:] for each in report.comparisons] == ["c1", "c2"]


def test_details_are_few_spread_over_machines_and_it_is_said(tmp_path: Path) -> None:
    for gpu in ("b200", "h200"):
        (tmp_path / gpu).mkdir()
        runs(tmp_path / gpu, 4, gpu=gpu)
    report = gather([tmp_path], Asked(details=2))
    assert {report.runs[place].engine["gpu"] for place in report.details} == {"b200", "h200"}
    assert "of 2 of 8 runs" in report.notes[0]
    assert report.comparisons == []  # nobody wants 7


def test_two_folders_of_repeats_are_compared_as_runs(tmp_path: Path) -> None:
    for side in ("before", "after"):
        for number in range(2):
            (tmp_path / side).mkdir(exist_ok=True)
            exchanges = [answered(at, [10 + number] * 20) for at in range(4)]
            make_run(tmp_path / side / f"r{number}", exchanges, trace=TRACE, engine=ENGINE | {"version": side})
    (comparison,) = gather([tmp_path / "before", tmp_path / "after"]).comparisons
    assert comparison["paired"] is None
    assert comparison["a"]["path"].endswith("before (2 runs)")


def test_prices_are_the_runs_own_unless_others_are_asked_for(tmp_path: Path) -> None:
    settings = {"concurrency": 4, "endpoint": "chat", "price": "rental"}
    make_run(tmp_path / "a", settings=settings, trace=TRACE)
    assert gather([tmp_path]).prices.gpus[0].taken == "rental"
    assert gather([tmp_path]).notes == []
    other = gather([tmp_path], Asked(terms=Terms("neocloud")))
    assert other.prices.gpus[0].taken == "neocloud"
    assert "Runs on b200 were reckoned with other prices" in other.notes[0]


def test_baselines_alone_are_a_report() -> None:
    row = Baseline("InferenceX", "x", None, {"gpu": "b200"}, "c1", {"interactivity": 50.0, "total_per_gpu": 2e4})
    report = gather([], Asked(baselines=[row]))
    assert len(report.points) == 1
    assert report.runs == []
    with pytest.raises(UsageError, match="give RUN"):
        gather([])


def test_a_run_without_histograms_or_with_a_broken_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    runs(tmp_path / "x", 2)
    (tmp_path / "x" / "c0" / "histograms.hlog").unlink()
    journal = tmp_path / "x" / "c1" / "exchanges-0.jsonl"
    journal.write_text("nonsense\n" + journal.read_text())
    said = " | ".join(each.why for each in gather([tmp_path]).left_out)
    assert "has no latency distributions" in said
    assert "no timeline: " in said
