import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.economics import Owner, capital_recovery
from imaxproxy.errors import UsageError

usd, share = st.floats(1, 1e6), st.floats(0.01, 1)


def test_the_worked_example() -> None:
    """40,000 USD at 10 % over 4 years; 195 USD/kW-month of 1.37 kW; 80 % drawn, PUE 1.3, 8 cents a kWh."""
    hour = Owner(40_000, 4, 0.10, colocation_usd_per_kw_month=195, drawn_share=0.8).cost(1.37, 1.3, 0.08)
    assert round(capital_recovery(0.10, 4), 4) == 0.3155
    parts = (hour.capital_usd, hour.colocation_usd, hour.electricity_usd)
    assert tuple(round(part, 2) for part in parts) == (1.44, 0.37, 0.11)
    assert hour.usd == sum(parts)


def test_without_interest_it_is_a_straight_line() -> None:
    assert Owner(40_000).cost(1.0, 1.0, 0.0).capital_usd == pytest.approx(40_000 / 4 / 8760)
    assert round(Owner(40_000).cost(1.0, 1.0, 0.0).capital_usd, 2) == 1.14


def test_what_is_left_lowers_the_cost_and_what_is_fixed_raises_it() -> None:
    bare = Owner(40_000, 4).cost(1, 1, 0).capital_usd
    assert Owner(40_000, 4, residual=0.25).cost(1, 1, 0).capital_usd == pytest.approx(bare * 0.75)
    assert Owner(40_000, 4, fixed_usd_per_gpu_year=876).cost(1, 1, 0).capital_usd == pytest.approx(bare + 0.1)
    assert Owner(40_000, 4, availability=0.5).cost(1, 1, 0).capital_usd == pytest.approx(bare * 2)


@given(sum_usd=usd, interest=st.floats(0.001, 0.5), years=st.floats(0.5, 20))
def test_the_payments_are_worth_the_sum(sum_usd: float, interest: float, years: float) -> None:
    yearly = sum_usd * capital_recovery(interest, years)
    worth_today = yearly * (1 - (1 + interest) ** -years) / interest
    assert worth_today == pytest.approx(sum_usd)


@given(capex=usd, residual=share, interest=st.floats(0, 0.5))
def test_all_of_it_left_costs_the_interest_alone(capex: float, residual: float, interest: float) -> None:
    whole = Owner(capex, 4, interest, residual=1.0).cost(1, 1, 0).capital_usd
    assert whole == pytest.approx(capex * interest / 8760, abs=1e-9)
    assert Owner(capex, 4, interest, residual=residual).cost(1, 1, 0).capital_usd >= whole - 1e-12


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"capex_usd_per_gpu": 0}, "capex_usd_per_gpu is above 0"),
        ({"years": 0}, "years is above 0"),
        ({"interest": -0.1}, "interest is not below 0"),
        ({"residual": 1.5}, "shares: at most 1"),
        ({"availability": 0}, "availability is above 0"),
    ],
)
def test_impossible_owners(changes: dict[str, float], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Owner(**{"capex_usd_per_gpu": 1.0, **changes})
