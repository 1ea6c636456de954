"""The table as text, 110 columns wide, against golden files remade by `IMAX_REMAKE=1 pytest tests/report`."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from imaxproxy.metrics import METRICS
from imaxproxy.report import print_summary

FOLDER = Path(__file__).parents[1] / "data" / "report"
STATS = {
    "count": 400, "mean": 21.5, "min": 10.0, "max": 1500.0, "p50": 20.0, "p75": 25.0, "p90": 40.0, "p95": 60.0,
    "p99": 123.4, "p999": 1234.5,
}  # fmt: skip
NONE = dict.fromkeys(STATS) | {"count": 0}


def summary(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """A run that went well."""
    return {
        "simulated": False, "duration_s": 61.25, "ended": "finished", "engine": {"gpu": "h100", "gpus": 8},
        "trace": {"skipped": 0, "clamped": 0},
        "requests": {
            "sent": 400, "completed": 400, "failed": 0, "aborted": 0, "truncated": 0, "by_error": {},
            "passed_through": 0, "client_retries": 0,
        },
        "tokens": {
            "input": 1_234_567, "output": 45_678, "reasoning": 12_345, "cached": None, "counted_by": "usage",
            "uncounted_requests": 0,
        },
        "throughput": {
            "requests_per_s": 6.53, "output_tokens_per_s": 745.8, "total_tokens_per_s": 20_902.1,
            "output_tokens_per_s_per_gpu": 93.2, "total_tokens_per_s_per_gpu": 2_612.8,
        },
        **dict.fromkeys(METRICS, STATS),
        "windows": {},
        "meter": {
            "valid": True, "reasons": [], "cpu_share": 0.12, "loop_lag_ms": STATS | {"p50": 0.08, "p99": 0.4},
            "coalesced_event_share": 0.031, "offered_rate": 6.6, "achieved_rate": 6.58,
        },
        "energy": None,
        "cost": {
            "gpu": "h100", "gpus": 8, "usd_per_gpu_hour": 1.35, "tenure": "hyperscaler", "price_as_of": "2026-04-01",
            "price_generation": "C",
            "usd_per_million_total_tokens": 0.1435, "usd_per_million_output_tokens": 4.0237, "basis": "provisioned",
            "power": {"pue": 1.3, "facility_kw_per_gpu": 1.781, "output_tokens_per_s_per_facility_mw": 52_330.0},
            "electricity": {"usd_per_million_output_tokens": 0.3309, "basis": "provisioned", "usd_per_kwh": 0.081},
        },
        "slo": None,
    } | changes  # fmt: skip


def failing() -> dict[str, Any]:
    """Half of it went wrong, the meter too, and nobody knows tokens or GPUs."""
    good = summary()
    return summary(
        ended="interrupted", engine=None, cost=None, trace={"skipped": 3, "clamped": 2},
        requests=good["requests"] | {
            "completed": 180, "failed": 200, "truncated": 15, "aborted": 5,
            "by_error": {"cut": 15, "http_429": 200, "stopped": 5},
        },
        tokens=dict.fromkeys(good["tokens"]) | {"uncounted_requests": 195},
        throughput=dict.fromkeys(good["throughput"]),
        meter=good["meter"] | {
            "valid": False, "reasons": ["loop lag p99 is 9.0 ms (limit [1.0]): tails are uncertain"],
            "coalesced_event_share": None, "cpu_share": None, "offered_rate": None, "achieved_rate": None,
        },
        **dict.fromkeys(("itl_ms", "tpot_ms", "tps_per_user", "e2e_tps_per_user", "ttft_from_schedule_ms"), NONE),
    )  # fmt: skip


def printed(made: dict[str, Any], width: int = 110) -> str:
    file = io.StringIO()
    print_summary(Console(file=file, width=width, color_system=None), made, "imax-runs/[x]-replay")
    return "".join(line.rstrip() + "\n" for line in file.getvalue().splitlines())


SLO = {
    "window": "steady", "met": False, "attainment": 0.912, "goodput_per_s": 5.9, "good": 228, "requests": 250,
    "unjudged": 3,
    "objectives": [
        {"objective": "ttft_ms<100@p99", "share": 0.985}, {"objective": "tpot_ms<50@p90", "share": None},
    ],
}  # fmt: skip
CASES = {"good": summary(), "slo": summary(slo=SLO), "simulated": summary(simulated=True), "failing": failing()}


@pytest.mark.parametrize("name", CASES)
def test_the_table_reads_as_it_was_reviewed(name: str) -> None:
    golden = FOLDER / f"{name}.txt"
    if os.environ.get("IMAX_REMAKE"):
        FOLDER.mkdir(exist_ok=True)
        golden.write_text(printed(CASES[name]))
    assert printed(CASES[name]) == golden.read_text()


def test_every_simulated_figure_is_marked() -> None:
    """All but the meter's own, which are of this machine and real. A table's mark stands in its head."""
    lines = printed(CASES["simulated"]).splitlines()
    for name in ("requests", "per GPU", "in all", "tokens ", "cost", "what users felt"):
        (start,) = [index for index, line in enumerate(lines) if line.strip().startswith(name)][:1]
        block = lines[start]
        for line in lines[start + 1 :]:
            if not line.startswith("    "):
                break
            block += line  # a long text wraps under itself
        assert "SIMULATED" in block, name
    assert "SIMULATED" in lines[1]
    assert "SIMULATED" not in printed(CASES["good"])


def test_a_run_that_is_not_to_be_believed_says_so() -> None:
    text = printed(CASES["failing"])
    assert "NOT VALID" in text
    assert "limit [1.0]" in text  # no markup is read into what others say
    assert "[x]-replay" in text


@pytest.mark.parametrize(
    "rates",
    [
        {"offered_rate": None, "achieved_rate": 3.0},  # all scheduled at one moment, sent one after the other
        {"offered_rate": 3.0, "achieved_rate": None},
        {"offered_rate": None, "achieved_rate": None},
    ],
)
def test_half_a_rate_is_not_printed(rates: dict[str, float | None]) -> None:
    assert "sent 3" not in printed(summary(meter=summary()["meter"] | rates))


def test_the_slow_tail_of_a_rate_is_the_inverse_of_tpots() -> None:
    line = next(line for line in printed(CASES["good"]).splitlines() if "tokens/s per user " in line)
    assert line.split()[3:7] == ["50.0", "25.0", "8.1", "0.8"]  # 1000 / 20, / 40, / 123.4, / 1234.5


def test_a_cost_that_is_unknown_says_why() -> None:
    assert "no GPU is named" in printed(summary(cost=None, engine=None))
    assert "no price for abacus is known" in printed(summary(cost=None, engine={"gpu": "abacus", "gpus": 1}))


def test_what_the_load_did_to_the_trace_is_noted() -> None:
    trace = {"skipped": 0, "clamped": 0, "idle_cut_s": 12.5, "live_turns": 7, "answers_missing": 2}
    assert "cut 12.5 s of waiting" in printed(summary(trace=trace))
    assert "2 of 9 live turns" in printed(summary(trace=trace))
    assert "never came to a level" in printed(summary(window_method={"settled": False}))


def test_tokens_are_never_said_to_be_counted_by_events() -> None:
    """`events` of `counted_by` means that some answers' tokens are unknown, not that an event was taken for a token."""
    tokens = summary()["tokens"] | {"counted_by": "events", "uncounted_requests": 3}
    assert "reasoning) where the engine told them" in printed(summary(tokens=tokens)).replace(",", "")
    assert "told by nobody" in printed(summary(tokens=tokens | {"output": 0}))
    assert "counted by events" not in printed(summary(tokens=tokens))


def test_a_killed_run_is_noted() -> None:
    assert "the run was killed" in printed(summary(ended="killed"))


def test_a_run_that_ended_as_asked_is_no_run_that_was_cut_short() -> None:
    said = printed(summary(ended="duration"))
    assert "--duration ended it before its trace did" in said
    assert "did not play to its end" not in said


@pytest.mark.parametrize("width", [40, 80, 200])
def test_any_width_will_do(width: int) -> None:
    for made in CASES.values():
        assert all(len(line) <= width for line in printed(made, width).splitlines())
