from pathlib import Path
from typing import Any

from runs.made_run import ENGINE, answered, make_run, steady_power

from imaxproxy.report.charts import charts_of
from imaxproxy.report.charts.choice import slug
from imaxproxy.report.content import Asked, Report, gather
from imaxproxy.runs.imports import Baseline

TRACE = {"path": "chat.jsonl", "sha256": "abcdef0123", "skipped": 0, "clamped": 0}


def runs(folder: Path, loads: int = 2, trace: dict[str, Any] | None = None, **engine: Any) -> None:  # noqa: ANN401
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(loads):
        exchanges = [answered(at, [10 + number] * 20) for at in range(4)]
        settings = {"concurrency": 4 * 2**number, "endpoint": "chat"}
        power = steady_power(every_s=0.1)
        make_run(
            folder / f"c{number}", exchanges, engine=ENGINE | engine, settings=settings, trace=TRACE | (trace or {}),
            power=power,
        )  # fmt: skip


def names(report: Report) -> list[str]:
    return [chart.name for chart in charts_of(report)]


def test_every_kind_is_drawn_and_no_two_files_share_a_name(tmp_path: Path) -> None:
    runs(tmp_path / "runs")
    found = names(gather([tmp_path / "runs"]))
    kinds = [name.split("-")[0] for name in found]
    assert set(kinds) == {"frontier", "distribution", "energy", "timeline", "waterfall"}
    assert kinds.count("frontier") == 9
    assert kinds.count("timeline") == kinds.count("waterfall") == 2
    assert len(set(found)) == len(found)


def test_one_picture_holds_one_model_and_one_workload(tmp_path: Path) -> None:
    runs(tmp_path / "runs" / "a")
    runs(tmp_path / "runs" / "b", model="llama")
    runs(tmp_path / "runs" / "c", trace={"path": "code.jsonl", "sha256": "other"})
    charts = [chart for chart in charts_of(gather([tmp_path / "runs"])) if chart.name.endswith("total-per-mw")]
    assert sorted(chart.name.split("-interactivity")[0] for chart in charts) == [
        "frontier-chat-llama", "frontier-chat-openai-gpt-oss-120b", "frontier-code-openai-gpt-oss-120b",
    ]  # fmt: skip


def test_only_what_holds_a_simulated_run_bears_the_mark(tmp_path: Path) -> None:
    runs(tmp_path / "runs" / "measured", model="llama")
    runs(tmp_path / "runs" / "simulated", simulated=True)
    for chart in charts_of(gather([tmp_path / "runs"])):
        of_simulated = "gpt-oss" in chart.name or "simulated" in chart.name
        assert chart.simulated == of_simulated, chart.name


def test_what_others_measured_lies_beside_ours_with_its_day(tmp_path: Path) -> None:
    runs(tmp_path / "runs")
    values = {"interactivity": 50.0, "total_per_gpu": 20_000.0}
    row = Baseline("InferenceX", "https://example.test/1", "2026-04-06", {"gpu": "b200"}, "concurrency 64", values)
    first = next(iter(charts_of(gather([tmp_path / "runs"], Asked(baselines=[row])))))
    assert any("https://example.test/1, 2026-04-06" in note for note in first.notes)


def test_one_run_has_no_frontier_and_pairs_can_be_chosen(tmp_path: Path) -> None:
    runs(tmp_path / "one", loads=1)
    assert not any(name.startswith("frontier") for name in names(gather([tmp_path / "one"])))
    runs(tmp_path / "two")
    found = [chart.name for chart in charts_of(gather([tmp_path / "two"]), [("ttft_p50", "usd_output")])]
    assert [name for name in found if name.startswith("frontier")] == [
        "frontier-chat-openai-gpt-oss-120b-ttft-p50-usd-output"
    ]


def test_of_many_runs_eight_lines_are_drawn_and_it_is_said(tmp_path: Path) -> None:
    runs(tmp_path / "runs", loads=10)
    report = gather([tmp_path / "runs"], Asked(details=2))
    chart = next(chart for chart in charts_of(report) if chart.name.endswith("ttft-ms"))
    assert "8 of 10 runs are drawn" in chart.notes[-1]


def test_a_slug_is_a_file_name() -> None:
    assert slug("openai/gpt-oss 120B (x)") == "openai-gpt-oss-120b-x"
    assert slug("../..") == "x"
