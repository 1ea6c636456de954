from pathlib import Path
from typing import Any

import pytest
from runs.made_run import ENGINE, answered, make_run, steady_power

from imaxproxy.economics import usd_per_million_tokens
from imaxproxy.report.content import MEASURED, PUBLISHED, SIMULATED, points_of, published_points
from imaxproxy.report.content.found import FoundRun
from imaxproxy.report.content.operating_point import workload_names
from imaxproxy.runs.axes import AXES
from imaxproxy.runs.imports import Baseline

TRACE = {"path": "chat.jsonl", "sha256": "abcdef0123", "skipped": 0, "clamped": 0}


def run(path: Path, gap_ms: float = 10, concurrency: int = 4, workload: str | None = None, **more: Any) -> FoundRun:  # noqa: ANN401
    settings = {"concurrency": concurrency, "endpoint": "chat"}
    trace = TRACE | more.pop("trace", {})
    power = more.pop("power", None)
    exchanges = [answered(at, [gap_ms] * 20) for at in range(3)]
    record = make_run(path, exchanges, engine=ENGINE | more, settings=settings, trace=trace, power=power)
    return FoundRun(record, workload)


def test_repeats_are_one_point_with_its_spread_and_loads_are_points(tmp_path: Path) -> None:
    found = [run(tmp_path / "a"), run(tmp_path / "b", 12), run(tmp_path / "c", 20, concurrency=16)]
    points, window = points_of(found)
    assert window == "steady"
    assert [(point.load, point.runs, point.kind) for point in points] == [
        ("concurrency 4", (0, 1), MEASURED),
        ("concurrency 16", (2,), MEASURED),
    ]
    assert points[0].facts == {
        "model": "openai/gpt-oss-120b", "gpu": "b200", "engine": "vllm", "precision": "fp4", "workload": "chat",
    }  # fmt: skip
    speed = points[0].values["interactivity"]
    assert speed.mean == pytest.approx((100 + 1000 / 12) / 2, rel=2e-3)
    assert speed.low is not None
    assert points[1].values["interactivity"].low is None


def test_gpu_hours_times_the_price_are_the_cost_of_the_summary(tmp_path: Path) -> None:
    found = run(tmp_path / "a")
    summary = found.record.summary
    point = points_of([found])[0][0]
    usd = summary["cost"]["usd_per_gpu_hour"]
    assert point.gpu_hours["total"].mean * usd == pytest.approx(point.values["usd_total"].mean)
    assert point.gpu_hours["output"].mean * usd == pytest.approx(point.values["usd_output"].mean)
    steady = summary["windows"]["steady"]["throughput"]
    wanted = usd_per_million_tokens(usd, steady["requests_per_s"] / 2)
    assert wanted is not None
    assert point.gpu_hours["requests"].mean * usd == pytest.approx(wanted / 1000)


def test_every_metric_of_the_axes_is_in_it_where_the_run_has_it(tmp_path: Path) -> None:
    power = steady_power(every_s=0.1)
    points, _ = points_of([run(tmp_path / "a", power=power), run(tmp_path / "b", 20, concurrency=8)])
    assert set(points[0].values) == set(AXES)
    assert not [name for name in points[1].values if name.startswith("j_")]
    assert points[0].energy is not None
    assert points[1].energy is None


def test_simulated_and_doubtful_points_say_so(tmp_path: Path) -> None:
    found = run(tmp_path / "a", simulated=True)
    found.record.summary["meter"] |= {"valid": False, "reasons": ["the loop lagged"]}
    found.record.summary["ended"] = "killed"
    found.record.engine["time_scale"] = 4.0
    point = points_of([found])[0][0]
    assert (point.kind, point.simulated) == (SIMULATED, True)
    assert point.warnings[:2] == ("meter not valid: the loop lagged", "not played to its end: killed")
    assert "clock ran 4 times as fast" in point.warnings[2]


def test_workloads_are_told_apart_by_their_hash_where_they_share_a_name(tmp_path: Path) -> None:
    found = [
        run(tmp_path / "a"),
        run(tmp_path / "b", trace={"sha256": "0123456789"}),
        run(tmp_path / "c", workload="1k1k", trace={"sha256": "1"}),
        run(tmp_path / "d", workload="1k1k", trace={"sha256": "2"}),
    ]
    assert workload_names(found) == ["chat (abcdef0)", "chat (0123456)", "1k1k", "1k1k"]


def test_loads_of_one_drawn_workload_share_its_name(tmp_path: Path) -> None:
    found = [
        run(
            tmp_path / f"c{load}", concurrency=load,
            trace={"path": f"traces/1k1k-{load}.toml", "sha256": str(load), "workload_sha256": "w"},
        )
        for load in (4, 64)
    ]  # fmt: skip
    assert workload_names(found) == ["1k1k", "1k1k"]


def test_what_others_measured_keeps_its_source_and_day() -> None:
    facts = {"model": "gptoss", "gpu": "b200", "isl": 1024, "osl": 8192}
    values = {"interactivity": 50.0, "total_per_gpu": 20_000.0, "no such axis": 1.0}
    row = Baseline("InferenceX", "https://example.test/1", "2026-04-06", facts, "concurrency 64", values)
    point = published_points([row])[0]
    assert point.kind == PUBLISHED
    assert point.facts == {"model": "gptoss", "gpu": "b200", "workload": "1024/8192"}
    assert (point.as_of, point.source) == ("2026-04-06", "InferenceX, https://example.test/1")
    assert set(point.values) == {"interactivity", "total_per_gpu"}
    assert point.gpu_hours["total"].mean == pytest.approx(1e6 / 3600 / 20_000)


def test_points_of_one_load_that_are_no_repeats_are_called_by_what_differs(tmp_path: Path) -> None:
    found = [run(tmp_path / "a", tp=2), run(tmp_path / "b", tp=8, ep=8), run(tmp_path / "c8", concurrency=8)]
    assert [point.load for point in points_of(found)[0]] == [
        "concurrency 4, tp 2, ep 1",
        "concurrency 4, tp 8, ep 8",
        "concurrency 8",
    ]
    other = [run(tmp_path / "before"), run(tmp_path / "after", prefix_caching=True)]
    assert [point.load for point in points_of(other)[0]] == ["concurrency 4, after", "concurrency 4, before"]
