from typing import Any

import pytest

from imaxproxy.economics import Business, Owner, Point, Rates, Terms, TokenPrices, calculate
from imaxproxy.errors import UsageError

POINT = Point("b200", 8, Rates(160_000.0, 20_000.0), cached_share=0.5, tps_per_user=50.0)


def result(point: Point = POINT, terms: Terms | None = None, **business: Any) -> dict[str, Any]:  # noqa: ANN401
    return calculate(point, terms or Terms("2.6"), Business(**business))


def test_half_the_load_doubles_the_price_of_a_token() -> None:
    found = result(utilisation=0.5, margin=0.2)
    full, half = found["cost"], found["at_utilisation"]
    for name in ("total", "output", "input"):
        key = f"usd_per_million_{name}_tokens"
        assert half[key] == pytest.approx(2 * full[key])
    assert half["break_even_usd_per_million_output_tokens"] * 0.8 == pytest.approx(
        half["usd_per_million_output_tokens"]
    )
    assert found["utilisation"]["source"] == "given by --utilisation"


def test_the_break_even_price_makes_the_cost_and_no_more() -> None:
    price = result()["at_utilisation"]["break_even_usd_per_million_total_tokens"]
    made = result(Point("b200", 8, Rates(160_000.0, 20_000.0)), sells=TokenPrices(price, price))["return"]
    assert made["margin"] == pytest.approx(0, abs=1e-9)
    assert made["break_even_utilisation"] == pytest.approx(1)
    assert made["capex_usd"] == 0


def test_an_owner_has_a_return_on_capital() -> None:
    owner = Owner(35_040.0, 4, fixed_usd_per_gpu_year=8760.0)  # 1 USD an hour of capital, 1 of fixed cost
    terms = Terms("own", usd_per_kwh=0.0, pue=1.0, owner=owner)
    made = result(terms=terms, sells=TokenPrices(0.0, 1.0))["return"]
    assert made["cost_usd_per_hour"] == pytest.approx(16.0)
    assert made["running_usd_per_hour"] == pytest.approx(8.0)
    assert made["revenue_usd_per_hour"] == pytest.approx(72.0)
    assert made["payback_years"] == pytest.approx(35_040 * 8 / (64 * 8760))
    assert made["roi"] == pytest.approx((64 * 8760 * 4 - 35_040 * 8) / (35_040 * 8))


def test_cached_input_sells_for_less() -> None:
    made = result(sells=TokenPrices(1.0, 0.0, 0.1))["return"]
    assert made["revenue_usd_per_hour"] == pytest.approx(140_000 * 3600 / 1e6 * 0.55)


def test_a_fleet_of_a_megawatt() -> None:
    fleet = result(megawatts=1.0)["fleet"]
    assert (fleet["gpus"], fleet["users"]) == (584, 29_200)
    with pytest.raises(UsageError, match="not in the table"):
        result(Point("abacus", 1, Rates(1.0, 1.0)), megawatts=1.0)


def test_revenue_needs_both_rates() -> None:
    with pytest.raises(UsageError, match="input and of output tokens"):
        result(Point("b200", 1, Rates(1_000.0, None)), sells=TokenPrices(1.0, 1.0))


@pytest.mark.parametrize(
    ("business", "says"),
    [({"utilisation": 0}, "above 0, at most 1"), ({"margin": 1.0}, "below 1"), ({"megawatts": -1}, "above 0")],
)
def test_impossible_business(business: dict[str, float], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Business(**business)  # type: ignore[arg-type]
