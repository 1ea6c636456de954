import json
import re
from pathlib import Path

import pytest
from live.screen.ptys import LEFT, on_terminal

from cli.command import Command, write_trace
from imaxproxy.cli.search import search
from imaxproxy.errors import UsageError

SIMULATED = ("--engine", "fixed-5ms", "--simulate")


def test_an_slo_that_no_load_meets_and_one_that_all_meet(command: Command) -> None:
    write_trace(command.folder / "trace.jsonl", 10)
    flags = ("search", "trace.jsonl", *SIMULATED, "--by", "concurrency", "--json")
    none = command.run(*flags, "--slo", "ttft_ms<0.001", "--virtual", "--out", "none").check(1).json
    assert (none["highest_met"], none["lowest_missed"], len(none["probes"]), none["simulated"]) == (None, 1, 1, True)
    some = command.run(*flags, "--to", 2, "--slo", "ttft_ms<20000@p50", "--out", "all").check(0).json
    assert (some["highest_met"], some["lowest_missed"]) == (2, None)
    assert [probe["load"] for probe in some["probes"]] == [1, 2]
    manifest = json.loads((command.folder / "all" / "probe-2" / "manifest.json").read_bytes())
    assert manifest["settings"]["concurrency"] == 2
    assert json.loads((command.folder / "all" / "search.json").read_bytes())["probes"] == some["probes"]


def test_a_search_in_virtual_time_finds_the_knee_that_the_engine_has(command: Command) -> None:
    """Two places for requests: a third in flight waits for one, so its first token comes later than 50 ms."""
    (command.folder / "two.toml").write_text(_TWO_PLACES)
    write_trace(command.folder / "trace.jsonl", 200, output_length=20)
    flags = ("search", "trace.jsonl", "--engine", "two.toml", "--simulate", "--virtual", "--by", "concurrency")
    found = command.run(*flags, "--slo", "ttft_ms<50@p90", "--out", "run", "--json").check(0).json
    assert (found["highest_met"], found["lowest_missed"], found["surely_met"], found["simulated"]) == (2, 3, 2, True)
    assert [probe["load"] for probe in found["probes"]] == [1, 2, 4, 3]
    manifest = json.loads((command.folder / "run" / "probe-4" / "manifest.json").read_bytes())
    assert (manifest["command"], manifest["settings"]["concurrency"], manifest["clock"]["source"]) == (
        "search",
        3,
        "virtual",
    )


def test_a_trace_that_holds_no_more_ends_the_search_and_says_so(command: Command) -> None:
    """Ten requests at once are no rate of thousands, however well they are served."""
    write_trace(command.folder / "trace.jsonl", 10)
    flags = (
        "search",
        "trace.jsonl",
        *SIMULATED,
        "--virtual",
        "--by",
        "rate",
        "--slo",
        "ttft_ms<20000@p50",
        "--out",
        "run",
    )
    done = command.run(*flags).check(1)
    assert "met the SLO; the trace holds no more, so nobody knows where the limit is" in done.out
    found = json.loads((command.folder / "run" / "search.json").read_bytes())
    assert found["highest_met"] < found["probes"][-1]["load"]
    assert found["limited_by_trace"] == found["probes"][-1]["too_little"] is not None


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--by", "rate"), "search needs --slo"),
        (("--by", "rate", "--slo", "x<1"), "x is none of"),
        (("--by", "rate", "--slo", "ttft_ms<1", "--from", 5, "--to", 4), "lies above --to"),
        (("--by", "concurrency", "--slo", "ttft_ms<1", "--from", 1.5), "whole numbers"),
        (("--by", "rate", "--slo", "ttft_ms<1", "--session-rate", 1), "search sets the load itself"),
        (("--by", "concurrency", "--slo", "ttft_ms<1", "--workers", 2), "cannot share --concurrency 1"),
        (("--by", "rate", "--slo", "ttft_ms<1", "--virtual", "--retries", 2), "--retries has no counterpart in virt"),
        (("--by", "rate", "--slo", "ttft_ms<1", "--workers", 2, "--system-idle-cap", 1), "none of --workers 2 sees"),
    ],
)
def test_what_does_not_go_together(flags: tuple[object, ...], why: str) -> None:
    """Said before anything runs."""
    context = search.make_context("search", ["trace.jsonl", *SIMULATED, *map(str, flags)])
    assert search.callback is not None
    with pytest.raises(UsageError, match=re.escape(why)):
        search.callback(**context.params)


def test_a_mistake_is_one_line(command: Command) -> None:
    write_trace(command.folder / "trace.jsonl", 2)
    flags = ("--by", "rate", "--slo", "ttft_ms<1", "--from", 5, "--to", 4)
    assert "lies above --to" in command.run("search", "trace.jsonl", *SIMULATED, *flags).complaint()


_TWO_PLACES = """
schema = "imaxproxy.recipe/1"
model = "two-places"
precision = "bf16"
source = "made up"
as_of = 2026-11-26
[gpu]
kind = "none"
count = 0
[engine]
name = "vllm"
version = "0.32.0"
[engine.flags]
max-num-seqs = 2
[simulate]
fixed_step_ms = 5.0
fixed_ttft_ms = 20.0
"""


def test_a_rate_is_searched_on_an_engine_that_carries_so_much_and_no_more(command: Command) -> None:
    """Two places of 20 ms each carry 100 requests/s. The objective is met by all: only the queue tells."""
    (command.folder / "two.toml").write_text(_TWO_PLACES)
    write_trace(command.folder / "trace.jsonl", 1000)
    flags = ("search", "trace.jsonl", "--engine", "two.toml", "--simulate", "--virtual", "--by", "rate", "--from", 50)
    done = command.run(*flags, "--slo", "ttft_ms<60000@p50", "--duration", 10, "--json").check(0)
    found = done.json
    assert 85 < found["highest_met"] < found["lowest_missed"] < 125, done.err
    missed = next(probe for probe in found["probes"] if not probe["met"])
    assert (missed["overrun"], missed["slo"]["met"]) == (True, True)
    assert missed["backlog_growth_share"] > 0.08
    assert found["answer_meter_valid"] is True
    assert "stayed behind" in done.err


def test_on_a_terminal_it_shows_the_loads_that_were_tried(tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "trace.jsonl", 220)
    flags = ["--slo", "ttft_ms<20000@p50", "--by", "rate", "--from", 150, "--to", 160, "--out", "run"]
    with on_terminal(tmp_path, "search", trace, *SIMULATED, *flags, width=120) as shown:
        shown.until(b"Probes")
        shown.until(b"150 requests/s")
        shown.until(b"1 probes (at most 20)")
        assert shown.wait() == 0
        after = shown.written[shown.written.rindex(LEFT) :]
        assert b"160 requests/s met the SLO" in after
        assert b"150 requests/s: met" in after
        assert shown.is_as_before()
