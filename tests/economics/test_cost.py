from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.economics import Drawn, Rates, Terms, run_cost
from imaxproxy.errors import UsageError


def cost(price: str = "A/hyperscaler", rates: Rates | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return run_cost("b200", 8, rates or Rates(80_000.0, 40_000.0, 20.0), Terms(price, **more.pop("terms", {})), **more)


def test_each_stream_is_charged_the_full_gpu_and_it_says_so() -> None:
    found = cost()
    assert found["usd_per_million_output_tokens"] == pytest.approx(1.95 / 3600 / 5_000 * 1e6)
    assert found["usd_per_million_input_tokens"] == pytest.approx(1.95 / 3600 / 5_000 * 1e6)
    assert found["usd_per_million_total_tokens"] == pytest.approx(1.95 / 3600 / 10_000 * 1e6)
    assert found["usd_per_thousand_requests"] == pytest.approx(1.95 * 8 / 3600 / 20 * 1000)
    assert (found["basis"], found["gpu"], found["gpus"], found["tenure"]) == ("provisioned", "b200", 8, "hyperscaler")
    assert (found["price_as_of"], found["price_generation"]) == ("2025-10-09", "A")
    assert "do not add up" in found["note"]


def test_power_at_both_boundaries() -> None:
    """Generation C counts IT power: the facility's comes with the PUE. A counts the facility's and says no PUE."""
    power = cost("C/hyperscaler", terms={"pue": 1.25})["power"]
    assert (power["it_kw_per_gpu"], power["pue"]) == (1.71, 1.25)
    assert power["facility_kw_per_gpu"] == pytest.approx(1.71 * 1.25)
    assert power["total_tokens_per_s_per_it_mw"] == pytest.approx(1e7 / 1.71)
    assert power["total_tokens_per_s_per_facility_mw"] == pytest.approx(1e7 / 1.71 / 1.25)
    old = cost()["power"]
    assert (old["it_kw_per_gpu"], old["facility_kw_per_gpu"], old["pue"]) == (None, 2.17, None)
    assert old["total_tokens_per_s_per_it_mw"] is None


def test_electricity_is_of_what_was_measured_where_that_is_known() -> None:
    terms = {"usd_per_kwh": 0.36, "pue": 1.25}
    provisioned = cost("C/hyperscaler", terms=terms)["electricity"]
    assert (provisioned["basis"], provisioned["boundary"]) == ("provisioned", "it")
    assert provisioned["usd_per_million_output_tokens"] == pytest.approx(1710 / 5_000 / 3.6 * 1.25 * 0.36)
    measured = cost("C/hyperscaler", terms=terms, drawn=Drawn("board", 0.05, 0.10))["electricity"]
    assert (measured["basis"], measured["boundary"], measured["pue"]) == ("measured", "board", 1.25)
    assert measured["usd_per_million_output_tokens"] == pytest.approx(0.10 / 3.6 * 1.25 * 0.36)
    assert cost(terms=terms)["electricity"]["pue"] == 1.0  # generation A's kW have the overhead in them


def test_every_assumption_has_its_value_and_source() -> None:
    found = {each["name"]: each for each in cost("own")["assumptions"]}
    wanted = {
        "b200 capital cost": 40_000, "colocation": 194.95, "life": 4, "utilisation": 1,
        "b200 provisioned power, it": 1.71, "PUE, air cooling": 1.3, "power price": 0.081,
    }  # fmt: skip
    assert {name: found[name]["value"] for name in wanted} == wanted
    assert all(each["source"] and each["unit"] for each in found.values())
    assert "PUE, air cooling" not in {each["name"] for each in cost()["assumptions"]}  # not used, so not said


def test_the_steady_window_has_its_own_price() -> None:
    assert cost()["steady"] is None
    steady = cost(steady=Rates(160_000.0, 80_000.0, 40.0))["steady"]
    assert steady["usd_per_million_total_tokens"] == pytest.approx(1.95 / 3600 / 20_000 * 1e6)


def test_a_gpu_that_is_not_in_the_table_has_a_price_when_one_is_given() -> None:
    found = run_cost("abacus", 1, Rates(1_000.0, 500.0), Terms("3.6"))
    assert found["usd_per_million_total_tokens"] == pytest.approx(1.0)
    assert (found["power"], found["electricity"], found["total_tokens_per_s_per_mw"]) == (None, None, None)


@pytest.mark.parametrize("rate", [None, 0.0])
def test_no_token_has_no_price(rate: float | None) -> None:
    found = cost(rates=Rates(rate, rate))
    assert found["usd_per_million_total_tokens"] is None
    assert found["usd_per_million_output_tokens"] is None
    assert found["usd_per_million_input_tokens"] is None
    assert found["electricity"]["usd_per_million_total_tokens"] is None


def test_a_deployment_has_gpus() -> None:
    with pytest.raises(ValueError, match="at least 1 GPU"):
        run_cost("h100", 0, Rates(1.0, 1.0), Terms())
    with pytest.raises(UsageError, match="unknown GPU"):
        run_cost("tpu", 1, Rates(1.0, 1.0), Terms())


@given(gpus=st.integers(1, 72), total=st.floats(1, 1e7), out=st.floats(0.01, 0.99))
def test_the_money_spent_is_the_tokens_times_their_price(gpus: int, total: float, out: float) -> None:
    found = run_cost("gb200", gpus, Rates(total, total * out), Terms("2"))
    for name, rate in (("total", total), ("output", total * out)):
        assert found[f"usd_per_million_{name}_tokens"] * rate * 3600 / 1e6 == pytest.approx(2.0 * gpus)
