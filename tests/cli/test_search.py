import json
from typing import Any

import pytest

from cli.command import Command, write_trace
from imaxproxy.cli.search import _verdict

SIMULATED = ("--engine", "fixed-5ms", "--simulate")


def test_an_slo_that_no_load_meets_and_one_that_all_meet(command: Command) -> None:
    write_trace(command.folder / "trace.jsonl", 10)
    flags = ("search", "trace.jsonl", *SIMULATED, "--by", "concurrency", "--to", 4, "--json")
    none = command.run(*flags, "--slo", "ttft_ms<0.001", "--out", "none").check(1).json
    assert (none["highest_met"], none["lowest_missed"], len(none["probes"]), none["simulated"]) == (None, 1, 1, True)
    some = command.run(*flags, "--slo", "ttft_ms<20000@p50", "--out", "all").check(0).json
    assert (some["highest_met"], some["lowest_missed"]) == (4, None)
    assert [probe["load"] for probe in some["probes"]] == [1, 2, 4]
    manifest = json.loads((command.folder / "all" / "probe-3" / "manifest.json").read_bytes())
    assert manifest["settings"]["concurrency"] == 4
    assert json.loads((command.folder / "all" / "search.json").read_bytes())["probes"] == some["probes"]


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--by", "rate"), "search needs --slo"),
        (("--by", "rate", "--slo", "x<1"), "x is none of"),
        (("--by", "rate", "--slo", "ttft_ms<1", "--from", 5, "--to", 4), "lies above --to"),
        (("--by", "concurrency", "--slo", "ttft_ms<1", "--from", 1.5), "whole numbers"),
        (("--by", "rate", "--slo", "ttft_ms<1", "--session-rate", 1), "search sets the load itself"),
        (("--by", "concurrency", "--slo", "ttft_ms<1", "--workers", 2), "cannot share --concurrency 1"),
    ],
)
def test_what_does_not_go_together(command: Command, flags: tuple[object, ...], why: str) -> None:
    write_trace(command.folder / "trace.jsonl", 2)
    assert why in command.run("search", "trace.jsonl", *SIMULATED, *flags).complaint()


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
    part: dict[str, Any] = {"share": good / judged if judged else None, "needed_share": 0.99, "judged": judged}
    verdict = _verdict({"slo": {"met": met, "objectives": [part]}, "meter": {"valid": True}})
    assert (verdict.met, verdict.sure) == (met, sure)
