"""`imaxproxy export`: real processes over a virtual run."""

from pathlib import Path

import pytest

from cli.command import Command


@pytest.fixture
def run(command: Command, trace: Path) -> Path:
    simulated = ("--engine", "gpt-oss-120b-b200-vllm", "--simulate", "--virtual", "--power")
    command.run("replay", trace, *simulated, "--out", "run").check(0)
    return command.folder / "run"


def test_each_file_is_named_and_simulated_stays_simulated(command: Command, run: Path) -> None:
    for name in ("inferencex", "vllm", "sglang", "aiperf", "guidellm", "csv", "otel", "hlog"):
        said = command.run("export", "run", "--format", name, "--json").check(0).json
        assert said["simulated"] is True
        assert said["files"]
        for path in said["files"]:
            text = (command.folder / path).read_text()
            assert "simulated" in text.lower() or path.endswith((".env", "gpu_metrics.csv"))
    assert command.run("export", "run", "--format", "csv").check(0).out.strip() == "run/exports/requests.csv"


def test_what_cannot_be_exported_is_one_line(command: Command, run: Path) -> None:
    assert (
        "--set tp= wants a whole number"
        in command.run("export", "run", "--format", "vllm", "--set", "tp=two").complaint()
    )
    assert "is no directory" in command.run("export", "nowhere", "--format", "csv").complaint()
