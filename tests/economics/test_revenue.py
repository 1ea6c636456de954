import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.economics import Return, TokenPrices, break_even_price
from imaxproxy.errors import UsageError

rate, usd, share = st.floats(1, 1e6), st.floats(0.001, 100), st.floats(0, 1)


def test_revenue_by_hand() -> None:
    """InferenceX's defaults: 1 USD in, 0.10 cached, 4 out a million; half the input cached."""
    prices = TokenPrices(1.0, 4.0, 0.10)
    assert prices.usd_per_hour(1e6 / 3600, 0, 0.5) == pytest.approx(0.55)
    assert prices.usd_per_hour(0, 1e6 / 3600) == pytest.approx(4.0)
    assert prices.usd_per_hour(1e6 / 3600, 1e6 / 3600, 0.5, utilisation=0.5) == pytest.approx(4.55 / 2)


@given(given_rate=rate, output=rate, p_in=usd, p_out=usd, hit=share)
def test_a_cache_that_costs_the_same_changes_nothing(
    given_rate: float, output: float, p_in: float, p_out: float, hit: float
) -> None:
    same = TokenPrices(p_in, p_out, p_in).usd_per_hour(given_rate, output, hit)
    assert same == pytest.approx(TokenPrices(p_in, p_out).usd_per_hour(given_rate, output, 0.0))


def test_a_return_by_hand() -> None:
    """8.76 M USD a year from 10 M capital, 1.76 M a year to run."""
    made = Return(1000.0, 500.0, 10e6, 200.0, 4.0)
    assert made.revenue_over_life_usd == pytest.approx(35.04e6)
    assert made.revenue_per_capex == pytest.approx(3.504)
    assert made.roi == pytest.approx((35.04e6 - 7.008e6 - 10e6) / 10e6)
    assert made.payback_years == pytest.approx(10e6 / (800 * 8760))
    assert made.margin == pytest.approx(0.5)
    assert made.break_even_utilisation == pytest.approx(0.5)


def test_what_was_rented_has_no_return_on_capital() -> None:
    made = Return(10.0, 20.0, 0.0, 20.0, 1.0)
    assert (made.roi, made.payback_years, made.revenue_per_capex) == (None, None, None)
    assert made.margin == pytest.approx(-1.0)
    assert made.break_even_utilisation == pytest.approx(2.0)


def test_what_never_pays_back_says_so() -> None:
    assert Return(1.0, 2.0, 100.0, 1.5, 4.0).payback_years is None
    assert Return(0.0, 2.0, 100.0, 1.5, 4.0).margin is None
    assert Return(0.0, 2.0, 100.0, 1.5, 4.0).break_even_utilisation is None


@given(cost=usd, margin=st.floats(-0.5, 0.95))
def test_the_break_even_price_leaves_the_margin(cost: float, margin: float) -> None:
    price = break_even_price(cost, margin)
    assert price is not None
    assert (price - cost) / price == pytest.approx(margin, abs=1e-9)


def test_break_even_without_a_cost_and_without_sense() -> None:
    assert break_even_price(None, 0.5) is None
    with pytest.raises(ValueError, match="below 1"):
        break_even_price(1.0, 1.0)
    with pytest.raises(UsageError, match="not below 0"):
        TokenPrices(-1.0, 0.0)
