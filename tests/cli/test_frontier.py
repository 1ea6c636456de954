"""`imaxproxy frontier` over virtual runs of two machines."""

import json
from pathlib import Path

import pytest

from cli.command import Command, write_trace


@pytest.fixture
def runs(command: Command, tmp_path: Path) -> Path:
    trace = write_trace(tmp_path / "load.jsonl", 40)
    for gpu in ("b200", "h200"):
        for concurrency in (1, 8):
            command.run(
                "replay", trace, "--engine", f"gpt-oss-120b-{gpu}-vllm", "--simulate", "--virtual",
                "--concurrency", concurrency, "--out", f"runs/{gpu}-{concurrency}",
            ).check(0)  # fmt: skip
    return tmp_path / "runs"


def test_machines_their_points_and_both_at_the_same_x(command: Command, runs: Path) -> None:
    found = command.run("frontier", "runs", "--at", "150,9999", "--json").check(0).json
    assert found["simulated"] is True
    assert [machine["name"] for machine in found["machines"]] == [
        "openai/gpt-oss-120b b200 vllm fp4", "openai/gpt-oss-120b h200 vllm fp4",
    ]  # fmt: skip
    assert all(len(machine["frontier"]) == 2 for machine in found["machines"])
    far = found["iso"][1]
    assert far["x"] == 9999
    assert set(far["at"].values()) == {None}
    out = command.run("frontier", "runs", "--y", "usd_output", "--x", "e2e_p90").check(0).out
    assert "SIMULATED" in out
    assert "USD per million output tokens" in out


def test_what_cannot_be_drawn_is_one_line(command: Command, runs: Path) -> None:
    for arguments, says in (
        (("--x", "usd_total", "--y", "usd_total"), "a frontier is between two metrics"),
        (("--at", "many"), "--at is numbers with commas"),
        (("--by", ","), "--by names what makes a machine"),
    ):
        assert says in command.run("frontier", "runs", *arguments).complaint()
    assert "nowhere is no run, and holds none" in command.run("frontier", "nowhere").complaint()


def test_published_rows_stand_beside_our_own_or_alone(command: Command, runs: Path) -> None:
    rows = [
        {
            "hw": "b200", "model": "gptoss", "framework": "trt", "precision": "fp4", "conc": conc, "isl": 1024,
            "osl": 1024, "tput_per_gpu": rate, "median_intvty": speed,
        }
        for conc, speed, rate in ((4, 300.0, 4_000.0), (64, 100.0, 20_000.0))
    ]  # fmt: skip
    (runs.parent / "rows.json").write_text(json.dumps(rows))
    found = command.run("frontier", "runs", "--baseline", "rows.json", "--at", "150", "--json").check(0).json
    name = "gptoss b200 trt fp4 1024/1024 [InferenceX]"
    assert found["iso"][0]["at"][name]["mean"] == pytest.approx(16_000)
    published = found["machines"][-1]["published"]
    assert published == [{"source": "rows.json:1", "as_of": None, "load": "concurrency 4"},
                         {"source": "rows.json:2", "as_of": None, "load": "concurrency 64"}]  # fmt: skip
    out = command.run("frontier", "--baseline", "rows.json").check(0).out
    assert "published: undated, rows.json:1" in out
    assert "give RUN directories, --baseline FILE, or both" in command.run("frontier").complaint()


def test_half_a_run_and_machines_apart_are_said_and_the_rest_is_shown(command: Command, runs: Path) -> None:
    (runs / "b200-8" / "summary.json").unlink()
    done = command.run("frontier", "runs", "--x", "ttft_p50").check(0)
    assert "imaxproxy: left out: runs/b200-8 has no summary.json: `imaxproxy report runs/b200-8` makes it" in done.err
    assert "no overlap: " in done.out
