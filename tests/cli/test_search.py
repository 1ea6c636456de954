import json
import re
from typing import Any

import pytest

from cli.command import Command, write_trace
from imaxproxy.cli.search import _reached, _verdict, search
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


@pytest.mark.parametrize(
    ("good", "judged", "met", "sure"),
    [
        (400, 400, True, True),
        (100, 100, True, False),
        (98, 100, False, False),
        (80, 100, False, True),
        (0, 0, False, False),
    ],
)
def test_a_verdict_is_sure_where_its_interval_lies_on_one_side(good: int, judged: int, met: bool, sure: bool) -> None:
    """Of p99: 100 of 100 may still be 97 of 100."""
    verdict = _verdict(summary_of(good, judged, met=met))
    assert (verdict.met, verdict.sure) == (met, sure)


def summary_of(
    good: int,
    judged: int,
    *,
    met: bool,
    growth: float | None = 0.0,
    settled: bool | None = True,
    rate: float | None = 5,
) -> dict[str, Any]:
    part: dict[str, Any] = {"share": good / judged if judged else None, "needed_share": 0.99, "judged": judged}
    return {
        "slo": {"met": met, "objectives": [part], "attainment": part["share"]},
        "meter": {"valid": True, "offered_rate": rate},
        "window_method": {"settled": settled, "backlog_growth_share": growth},
    }


def test_an_open_loop_whose_queue_only_grew_has_missed() -> None:
    """However good its latencies were until it ended; a closed loop waits for the engine and cannot overrun it."""
    grown = _verdict(summary_of(400, 400, met=True, growth=0.2))
    assert (grown.met, grown.overrun, grown.sure) == (False, True, False)
    assert _verdict(summary_of(400, 400, met=True, growth=0.2, rate=None)).met
    assert _verdict(summary_of(400, 400, met=True, growth=None)).met
    assert "20% of what was sent stayed behind" in _reached(summary_of(400, 400, met=True, growth=0.2), grown)


def test_what_never_settled_is_not_sure() -> None:
    assert not _verdict(summary_of(400, 400, met=True, settled=False)).sure
    assert _verdict(summary_of(400, 400, met=True, settled=None)).sure


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
