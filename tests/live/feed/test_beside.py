from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from imaxproxy.clock import NS_PER_S
from imaxproxy.live.feed.beside import Beside, Made
from imaxproxy.live.feed.ticks import Rates
from imaxproxy.power.accrual import SCHEMA, write_now
from imaxproxy.runs import RunDirectory

ENGINE = {"gpu": "b200", "gpus": 8}
RATES = Rates(2.0, 1000.0, 3000.0, 1000.0)


def made(at_s: float, elapsed_s: float = 3600.0) -> Made:
    return Made(round(at_s * NS_PER_S), elapsed_s, 2e6, 8e6, RATES)


def power(run: RunDirectory, at_s: float, energy_j: float, watts: float | None = 4000.0) -> None:
    row = {"schema": SCHEMA, "time_ns": round(at_s * NS_PER_S), "since_ns": 0, "watts": watts, "boards": 8}
    write_now(run.power_now, row | {"energy_j": energy_j, "boundary": "board", "source": "nvml", "simulated": False})


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


def test_nothing_is_known_where_nothing_is_measured(run: RunDirectory) -> None:
    beside = Beside(run, None, {})
    assert beside.blocks(made(5)) == {"power": None, "cost": None, "engine_metrics": None}
    assert beside.power_w(5 * NS_PER_S) is None


def test_power_is_of_the_run_and_not_of_what_came_before(run: RunDirectory) -> None:
    power(run, 1, energy_j=500.0)
    beside = Beside(run, ENGINE, {})
    power(run, 10, energy_j=40_500.0)
    block = beside.blocks(made(10.5))["power"]
    assert (block["watts"], block["boards"], block["energy_j"]) == (4000.0, 8, 40_000.0)
    assert block["j_per_output_token"] == 40_000.0 / 2e6
    assert block["j_per_output_token_now"] == 4.0  # 4,000 W for 1,000 tokens/s
    assert block["tokens_per_s_per_mw"] == 250_000.0
    assert (block["boundary"], block["source"], block["age_s"]) == ("board", "nvml", 0.5)
    power(run, 20, energy_j=60_500.0, watts=9999.0)
    assert beside.blocks(made(20))["power"]["j_per_output_token_now"] == 2.0  # by the counter, over ten seconds


def test_old_watts_are_not_those_of_now(run: RunDirectory) -> None:
    power(run, 1, energy_j=500.0)
    beside = Beside(run, ENGINE, {})
    block = beside.blocks(made(60))["power"]
    assert (block["watts"], block["tokens_per_s_per_mw"], block["age_s"]) == (None, None, 59.0)
    assert beside.power_w(60 * NS_PER_S) is None


def test_a_broken_file_is_no_power(run: RunDirectory) -> None:
    run.power_now.write_bytes(b"{")
    assert Beside(run, ENGINE, {}).blocks(made(1))["power"] is None


def test_what_it_costs_as_it_accrues(run: RunDirectory) -> None:
    block = Beside(run, ENGINE, {"price": "2.5"}).blocks(made(5, elapsed_s=1800.0))["cost"]
    assert (block["usd"], block["usd_per_million_output"], block["usd_per_million_total"]) == (10.0, 5.0, 1.25)
    assert block["usd_per_million_output_now"] == pytest.approx(2.5 * 8 / 3600 / 1000 * 1e6)
    assert block["price"] == "2.5 USD/GPU-hour x 8 b200, given"
    dated = Beside(run, ENGINE, {}).blocks(made(5))["cost"]["price"]
    assert "hyperscaler as of 20" in dated
    none = replace(made(5), output_tokens=0.0)
    assert Beside(run, ENGINE, {}).blocks(none)["cost"]["usd_per_million_output"] is None


@pytest.mark.parametrize("engine", [None, {}, {"gpu": "b200"}, {"gpu": "abacus", "gpus": 1}])
def test_no_price_without_a_gpu_that_has_one(run: RunDirectory, engine: dict[str, object] | None) -> None:
    assert Beside(run, engine, {}).blocks(made(5))["cost"] is None


def sampled(run: RunDirectory, *rows: dict[str, object]) -> None:
    lines = [{"schema": "imaxproxy.engine_metrics/1", "every_s": 1.0, "sources": []}, *rows]
    run.engine_metrics.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in lines) + b'{"time_ns": 1, "cut')


def row(at_s: float, url: str = "a", **values: object) -> dict[str, object]:
    return {"time_ns": round(at_s * NS_PER_S), "url": url, **values}


def test_the_engines_own_view_is_the_newest_and_of_the_last_seconds(run: RunDirectory) -> None:
    counts = {"prefix_queries_tokens": 1000, "prefix_hits_tokens": 100, "drafts": 10, "accepted_tokens": 5}
    later = {"prefix_queries_tokens": 2000, "prefix_hits_tokens": 600, "drafts": 30, "accepted_tokens": 55}
    sampled(
        run,
        row(1, running=9, waiting=9, kv_share=0.9, **counts),
        row(95, running=1, waiting=0, kv_share=0.1, **counts),
        row(100, running=3, waiting=2, kv_share=0.4, preemptions=4, **later),
    )
    block = Beside(run, None, {}).blocks(made(100.25))["engine_metrics"]
    assert (block["running"], block["waiting"], block["kv_usage"], block["preemptions"]) == (3, 2, 0.4, 4)
    assert (block["prefix_hit_share"], block["accepted_per_step"]) == (0.5, 3.5)
    assert (block["engines"], block["age_s"]) == (1, 0.25)


def test_several_engines_add_up_and_shares_are_their_mean(run: RunDirectory) -> None:
    sampled(
        run,
        row(99, "a", running=1, kv_share=0.2, prefix_hit_share=0.5),
        row(100, "b", running=2, kv_share=0.4, prefix_hit_share=0.7, accept_length_tokens=0),
        row(100, "c", error="refused"),
    )
    block = Beside(run, None, {}).blocks(made(100))["engine_metrics"]
    assert (block["running"], block["engines"], block["waiting"]) == (3, 2, None)
    assert block["kv_usage"] == pytest.approx(0.3)
    assert block["prefix_hit_share"] == pytest.approx(0.6)
    assert block["accepted_per_step"] is None


def test_an_engine_that_has_not_answered_for_long_says_nothing(run: RunDirectory) -> None:
    sampled(run, row(1, running=9))
    assert Beside(run, None, {}).blocks(made(100))["engine_metrics"] is None
