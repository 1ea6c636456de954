import shutil
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.runs import RunRecord
from imaxproxy.runs.axes import AXES
from imaxproxy.runs.imports import Baseline
from imaxproxy.runs.points import add_baselines, apart, machine_of, machines_of, open_runs, unlike
from runs.made_run import ENGINE, answered, make_run, refused, steady_power

TRACE = {"sha256": "abc", "skipped": 0, "clamped": 0}


def run(path: Path, gap_ms: float = 10, concurrency: int = 4, **engine: Any) -> RunRecord:  # noqa: ANN401
    """All streams at `gap_ms` a token."""
    exchanges = [answered(at, [gap_ms] * 20) for at in range(3)]
    settings = {"concurrency": concurrency, "endpoint": "chat"}
    return make_run(path, exchanges, engine=ENGINE | engine, settings=settings, trace=TRACE)


MEASURED = [name for name in AXES if "measured" in name or name.startswith("j_")]


@pytest.mark.parametrize("name", [name for name in AXES if name not in MEASURED])
def test_every_metric_can_be_read_of_a_run_and_of_its_steady_window(tmp_path: Path, name: str) -> None:
    summary = run(tmp_path).summary
    axis, read = AXES[name]
    assert axis.name == name
    assert axis.unit
    assert (value := read(summary, summary)) is not None
    assert value > 0
    part = {key: summary[key] for key in summary if key != "cost"}
    steady = {**summary, "cost": summary["cost"] | {"steady": summary["cost"]}}
    assert read(steady, part) == pytest.approx(value)


def test_interactivity_is_1_over_tpot_and_its_p90_the_slow_tail(tmp_path: Path) -> None:
    summary = make_run(tmp_path, [answered(0, [10, 10]), answered(1, [40, 40])]).summary
    assert AXES["interactivity"][1](summary, summary) == pytest.approx(100, rel=2e-3)
    assert AXES["interactivity_p90"][1](summary, summary) == pytest.approx(25, rel=2e-3)
    e2e = summary["e2e_tps_per_user"]
    assert AXES["e2e_interactivity_p90"][1](summary, summary) == e2e["p10"] == pytest.approx(e2e["min"], rel=2e-3)
    del e2e["p01"]  # as an older version wrote it
    assert AXES["e2e_interactivity_p99"][1](summary, summary) is None
    assert AXES["total_per_mw"][1](summary, summary) == summary["cost"]["power"]["total_tokens_per_s_per_facility_mw"]


@pytest.mark.parametrize("name", MEASURED)
def test_what_boards_drew_is_an_axis_where_it_is_valid(tmp_path: Path, name: str) -> None:
    summary = make_run(tmp_path / "a", power=steady_power(every_s=0.1)).summary
    whole = summary["energy"]["windows"]["whole"]
    key = {"j_total": "j_per_total_token", "j_output": "j_per_output_token"}.get(name)
    wanted = whole[key] if key else whole[f"{name.split('_')[0]}_tokens_per_s_per_mw"]["facility"]
    assert AXES[name][1](summary, summary) == wanted
    whole["valid"] = False
    assert AXES[name][1](summary, summary) is None
    assert AXES[name][1](make_run(tmp_path / "b").summary, summary) is None


def test_what_is_not_known_is_none(tmp_path: Path) -> None:
    summary = make_run(tmp_path, engine=None).summary
    for name in ("total_per_gpu", "usd_total", "output_per_mw"):
        assert AXES[name][1](summary, summary) is None


def test_runs_of_one_load_are_repeats_and_loads_make_a_curve(tmp_path: Path) -> None:
    records = [
        run(tmp_path / "a", 10, 4), run(tmp_path / "b", 12, 4), run(tmp_path / "c", 20, 16),
        run(tmp_path / "d", 30, 4, gpu="h200"),
    ]  # fmt: skip
    machines = machines_of(records, "interactivity", "output_per_gpu")
    assert list(machines.frontiers) == ["openai/gpt-oss-120b b200 vllm fp4", "openai/gpt-oss-120b h200 vllm fp4"]
    b200 = machines.frontiers["openai/gpt-oss-120b b200 vllm fp4"]
    spots = sorted([*b200.spots, *b200.dominated], key=lambda spot: -spot.x.count)
    assert [(spot.x.count, spot.label) for spot in spots] == [(2, "concurrency 4"), (1, "concurrency 16")]
    assert spots[0].x.low is not None
    assert machines.window == "steady"
    short = make_run(tmp_path / "e", [answered(0)], trace=TRACE)  # has no steady window
    assert machines_of([*records, short], "interactivity", "output_per_gpu").window == "whole"
    assert machines.warnings == []
    assert machines.simulated == dict.fromkeys(machines.frontiers, False)


def test_unlike_things_are_said(tmp_path: Path) -> None:
    records = [
        run(tmp_path / "a"),
        run(tmp_path / "b", model="another", simulated=True),
        make_run(tmp_path / "c", trace=TRACE | {"sha256": "other"}),
    ]
    said = " | ".join(unlike(records, ("usd_total",)))
    assert "runs of different models: another, openai/gpt-oss-120b" in said
    assert "runs of different traces: abc, other" in said
    assert "simulated runs beside measured ones" in said
    assert "costs by different prices" not in said
    silent = make_run(tmp_path / "s", [refused(0)], engine=None, settings={}, trace=None)
    assert unlike([records[0], silent]) == ["only some runs played a known trace: abc"]  # and "None" is no model
    dear = make_run(tmp_path / "d", settings={"price": "A/rental", "concurrency": 4, "endpoint": "chat"}, trace=TRACE)
    assert "provisioned, hyperscaler, 2026-08-14; provisioned, rental, 2025-10-09" in " ".join(
        unlike([records[0], dear], ("usd_total",))
    )


def test_more_or_fewer_requests_of_one_workload_are_no_unlike_things(tmp_path: Path) -> None:
    """A fixed shape is sent ten times its concurrency: another file at each load, but the same requests."""
    loads = [
        make_run(tmp_path / name, [answered(0)], trace=TRACE | {"sha256": name, "workload_sha256": "1k1k"})
        for name in ("c4", "c64")
    ]
    assert unlike(loads) == []
    other = make_run(tmp_path / "x", [answered(0)], trace=TRACE | {"sha256": "c4", "workload_sha256": "8k1k"})
    assert unlike([*loads, other]) == ["runs of different traces: 1k1k, 8k1k"]


def test_energy_of_other_boundaries_is_said_where_joules_are_compared(tmp_path: Path) -> None:
    records = [make_run(tmp_path / name, power=steady_power(every_s=0.1), trace=TRACE) for name in ("a", "b")]
    assert unlike(records, ("j_output",)) == []
    records[1].summary["energy"]["boundary"] = "module"
    assert unlike(records, ("j_output",)) == ["energy of different boundaries: board; module"]
    assert unlike(records, ("usd_total",)) == []


def test_machines_that_share_no_x_are_said_to_be_apart(tmp_path: Path) -> None:
    records = [
        run(tmp_path / "a", 10, 4), run(tmp_path / "b", 20, 8),
        run(tmp_path / "c", 50, 4, gpu="h200"), run(tmp_path / "d", 100, 8, gpu="h200"),
    ]  # fmt: skip
    (said,) = apart(machines_of(records, "interactivity", "output_per_gpu").frontiers)
    assert said.startswith("no overlap: openai/gpt-oss-120b b200 vllm fp4 was measured from 100")
    assert "h200 vllm fp4 from 20" in said
    near = [*records, run(tmp_path / "e", 10, 2, gpu="h200")]
    assert apart(machines_of(near, "interactivity", "output_per_gpu").frontiers) == []


def test_half_a_run_in_a_folder_is_left_out_and_named_and_one_that_was_named_is_an_error(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        run(tmp_path / name)
    (tmp_path / "b" / "summary.json").unlink()
    (tmp_path / "c" / "summary.json").write_text('{"schema": "imaxproxy.summary/9"}')
    manifest = tmp_path / "d" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("imaxproxy.manifest/1", "imaxproxy.manifest/9"))
    told: list[str] = []
    assert [record.directory.path.name for record in open_runs([tmp_path], told.append)] == ["a"]
    for line, says in zip(
        told, ("has no summary.json: `imaxproxy report ", "schema 'imaxproxy.summary/9', this version", "manifest/9'"),
        strict=True,
    ):  # fmt: skip
        assert line.startswith(f"left out: {tmp_path}")
        assert says in line
    with pytest.raises(UsageError, match="b has no summary"):
        open_runs([tmp_path / "b"])
    with pytest.raises(ImaxproxyError, match="makes it anew from the journal"):
        open_runs([tmp_path / "c"])
    with pytest.raises(ImaxproxyError, match="read it with the imaxproxy that wrote it"):
        open_runs([tmp_path / "d"])
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(UsageError, match=r"none of the 3 runs in .* can be read: `imaxproxy report --list"):
        open_runs([tmp_path])


def test_a_run_without_the_metric_is_left_out_and_named(tmp_path: Path) -> None:
    machines = machines_of([run(tmp_path / "a"), make_run(tmp_path / "b", engine=None)], "interactivity", "usd_total")
    assert len(machines.frontiers) == 1
    assert "has no usd_total: left out" in machines.warnings[0]
    with pytest.raises(UsageError, match="no run has both interactivity and usd_total"):
        machines_of([make_run(tmp_path / "c", engine=None)], "interactivity", "usd_total")


def test_a_machine_is_what_somebody_says_it_is(tmp_path: Path) -> None:
    record = run(tmp_path / "a", tp=8)
    assert machine_of(record, ("gpu", "tp")) == "b200 8"
    assert machine_of(make_run(tmp_path / "b", engine=None, settings={"model": "m"})) == "m"
    assert machine_of(make_run(tmp_path / "c", engine=None, settings={})) == "m"  # as it answered
    silent = make_run(tmp_path / "d", [refused(0)], engine=None, settings={})
    assert machine_of(silent) == "an engine that does not say what it is"


def test_a_folder_of_runs_is_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    for number in (1, 2):
        run(tmp_path / "sweep" / f"repeat-{number}")
    (tmp_path / "sweep" / "empty").mkdir()
    assert [record.directory.path.name for record in open_runs([tmp_path / "sweep"])] == ["repeat-1", "repeat-2"]
    with pytest.raises(UsageError, match="is no run, and holds none"):
        open_runs([tmp_path / "sweep" / "empty"])


def test_baselines_are_curves_of_their_own(tmp_path: Path) -> None:
    def published(speed: float, rate: float, load: str) -> Baseline:
        values = {"interactivity": speed, "total_per_gpu": rate}
        facts = {"model": "gptoss", "gpu": "b200"}
        return Baseline("InferenceX", "https://example.test", "2026-04-06", facts, load, values)

    machines = machines_of([run(tmp_path / "a")], "interactivity", "total_per_gpu")
    both = add_baselines(machines, [published(27, 61_000, "a"), published(100, 30_000, "b")])
    assert list(both.frontiers) == ["openai/gpt-oss-120b b200 vllm fp4", "gptoss b200 [InferenceX]"]
    assert len(both.frontiers["gptoss b200 [InferenceX]"].spots) == 2
    assert both.published["gptoss b200 [InferenceX]"][0].as_of == "2026-04-06"
    assert any("measured by others" in warning for warning in both.warnings)
    alone = add_baselines(machines_of([], "interactivity", "total_per_gpu"), [published(27, 61_000, "a")])
    assert list(alone.frontiers) == ["gptoss b200 [InferenceX]"]
    with pytest.raises(UsageError, match="no row of the baselines has both"):
        add_baselines(machines_of([], "ttft_p50", "total_per_gpu"), [published(27, 61_000, "a")])
