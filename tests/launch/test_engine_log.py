from pathlib import Path

import pytest

from imaxproxy.launch.engine import failures, milestones
from imaxproxy.launch.engine_log import LogReader, Progress, diagnose, tail
from imaxproxy.launch.engines import ENGINES

LOGS = Path(__file__).parents[1] / "data" / "launch"


def test_a_reader_gives_whole_lines_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    reader = LogReader(path)
    assert reader.lines() == []
    with path.open("w") as log:
        log.write("one\ntw")
        log.flush()
        assert reader.lines() == ["one"]
        log.write("o\r50%\rthree")
        log.flush()
        assert reader.lines() == ["two", "50%"]
    assert reader.lines() == []


def test_progress_never_goes_back() -> None:
    progress = Progress(milestones(("load", "loading", 0.4), ("ready", "serving", 1.0)))
    assert progress.read(["noise", "ready"])
    assert not progress.read(["load"])
    assert (progress.share, progress.says) == (1.0, "serving")


@pytest.mark.parametrize(
    ("engine", "log"), [("vllm", "vllm-start.log"), ("sglang", "sglang-start.log"), ("llamacpp", "llamacpp-start.log")]
)
def test_a_recorded_start_passes_the_milestones_to_the_end(engine: str, log: str) -> None:
    progress = Progress(ENGINES[engine].milestones)
    passed = sum(progress.read([line]) for line in tail(LOGS / log))
    assert progress.share >= 0.9
    assert passed >= 4


def test_a_vague_last_line_hides_no_cause(tmp_path: Path) -> None:
    """vLLM's last line tells to look above; what stands above is what counts."""
    log = tmp_path / "log"
    cause = "(EngineCore pid=3) ERROR 11-23 08:04:16 [core.py:133] RuntimeError: no such kernel image"
    log.write_text(f"{cause}\n{(LOGS / 'vllm-fail-kv-too-small.log').read_text()}")
    assert diagnose([log], ()).errors == ("RuntimeError: no such kernel image",)


def test_the_surest_failure_wins_and_its_groups_are_filled_in(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("ValueError: 3 heads do not fit\nRuntimeError: something\n")
    found = diagnose([log], failures(("(\\d+) heads", "use {1}"), ("RuntimeError", "no idea")))
    assert (found.errors, found.advice) == (("ValueError: 3 heads do not fit",), "use 3")


def test_without_an_error_the_last_lines_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(f"line {number}" for number in range(10)))
    assert diagnose([log], ()).errors == ("line 7", "line 8", "line 9")
    assert diagnose([tmp_path / "none"], ()).errors == ()


def test_colours_times_and_process_names_are_taken_off(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "\x1b[31m(APIServer pid=1) ERROR 11-23 08:23:56 [a.py:9] bad\x1b[0m\n[2026-11-23 08:43:36] Tree ok\n"
    )
    assert tail(log) == ["bad", "Tree ok"]
