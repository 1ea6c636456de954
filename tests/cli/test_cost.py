"""`imaxproxy cost`, and the same flags on a run: real processes."""

from pathlib import Path

import orjson
import pytest

from cli.command import Command

POINT = ("cost", "--gpu", "b200", "--gpus", 8, "--total-tps", 160_000, "--output-tps", 20_000)


def test_from_figures(command: Command) -> None:
    found = command.run(*POINT, "--price", "A/hyperscaler", "--json").check(0).json
    assert found["schema"] == "imaxproxy.cost/1"
    assert found["simulated"] is False
    assert found["cost"]["usd_per_million_total_tokens"] == pytest.approx(1.95 / 3600 / 20_000 * 1e6)
    assert found["tokens_per_s"] == {"total": 160_000, "output": 20_000, "input": 140_000}
    out = command.run(*POINT).check(0).out
    assert "8 x b200 at $1.73 a GPU-hour" in out
    assert "InferenceX-app" in out


def test_an_owner_with_customers(command: Command) -> None:
    owner = ("--capex", 35_040, "--power-price", 0, "--sell-input", 0.1, "--sell-output", 0.4)
    found = command.run(*POINT, *owner, "--json").check(0).json
    assert found["cost"]["basis"] == "owned"
    assert found["cost"]["usd_per_gpu_hour"] == pytest.approx(1.0)
    assert found["return"]["revenue_usd_per_hour"] == pytest.approx(0.36 * (140 + 80))


def test_the_worked_examples(command: Command) -> None:
    assert "1.101" in command.run("cost", "--example", "nvidia-15x").check(0).out
    found = command.run("cost", "--example", "two-cents", "--total-tps", 15_000, "--json").check(0).json
    assert found["steps"][0]["value"] == pytest.approx(0.0361, abs=5e-5)
    assert found["free"]


def test_the_table(command: Command) -> None:
    assert set(command.run("cost", "--table", "--json").check(0).json) >= {"gpu", "price", "quote", "capex", "default"}


def test_a_run_keeps_its_price_until_another_is_asked_for(command: Command, trace: Path) -> None:
    simulated = ("--engine", "gpt-oss-120b-b200-vllm", "--simulate", "--virtual")
    command.run("replay", trace, *simulated, "--out", "run", "--price", "A/rental", "--pue", 1.2).check(0)
    summary = orjson.loads((command.folder / "run" / "summary.json").read_bytes())
    assert (summary["cost"]["usd_per_gpu_hour"], summary["cost"]["price_generation"]) == (2.90, "A")

    found = command.run("cost", "run", "--json").check(0).json
    assert found["simulated"] is True
    assert found["cost"]["usd_per_gpu_hour"] == 2.90
    assert found["cost"]["usd_per_million_output_tokens"] == summary["cost"]["usd_per_million_output_tokens"]

    dearer = command.run("report", "run", "--price", "5.8", "--json").check(0).json["cost"]
    assert dearer["usd_per_million_output_tokens"] == pytest.approx(
        2 * summary["cost"]["usd_per_million_output_tokens"]
    )
    assert dearer["power"]["pue"] == 1.2  # what the report leaves open stays as it was played
    assert command.run("report", "run", "--json").check(0).json["cost"] == summary["cost"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("cost",), "give --gpu KIND with --total-tps and --output-tps, or a RUN directory"),
        (("cost", "--gpu", "b200"), "two of --total-tps, --output-tps and --input-tps"),
        (("cost", "--gpu", "b2", "--total-tps", 1), "unknown GPU 'b2'; known: h100"),
        ((*POINT, "--input-tps", 5), "--total-tps 160000 is not --output-tps 20000 + --input-tps 5"),
        (("cost", "--gpu", "b200", "--total-tps", 1, "--output-tps", 2), "more output than all tokens"),
        ((*POINT, "--price", "cheap"), "--price is a number of USD a GPU-hour"),
        ((*POINT, "--years", 3), "--years describes an owner: give --capex USD"),
        ((*POINT, "--capex", 1, "--price", 2), "leave out --price 2"),
        ((*POINT, "--utilisation", 2), "--utilisation is a share above 0, at most 1"),
        ((*POINT, "--sell-cached", 1), "--sell-cached goes with --sell-input"),
        (("cost", "nowhere"), "nowhere is no directory"),
        (("replay", "t.jsonl", "--url", "http://127.0.0.1:1/v1", "--price", "0"), "--price is above 0"),
        (("replay", "t.jsonl", "--url", "http://127.0.0.1:1/v1", "--pue", "0.5"), "--pue is facility power"),
        (
            (
                "search",
                "t.jsonl",
                "--url",
                "http://127.0.0.1:1/v1",
                "--by",
                "rate",
                "--slo",
                "ttft_ms<1",
                "--price",
                "x",
            ),
            "--price is a number of USD a GPU-hour",
        ),
        (
            ("serve", "--upstream", "http://127.0.0.1:1", "--gpu", "gb300", "--gpus", 8, "--price", "on_demand"),
            "no on_demand quote for gb300",
        ),
    ],
)
def test_what_cannot_be_reckoned_is_one_line(command: Command, arguments: tuple[object, ...], says: str) -> None:
    assert says in command.run(*arguments).complaint()


def test_a_run_without_gpus_needs_them_said(command: Command, trace: Path) -> None:
    simulated = ("--engine", "fixed-5ms", "--simulate", "--virtual")
    command.run("replay", trace, *simulated, "--out", "run").check(0)
    assert "pass --gpu KIND and --gpus COUNT" in command.run("cost", "run").complaint()
    assert command.run("cost", "run", "--gpu", "b200", "--gpus", 1, "--json").check(0).json["gpus"] == 1
    (command.folder / "run" / "summary.json").write_text("{")
    assert "is no summary" in command.run("cost", "run").check(1).err
