import pytest

from imaxproxy.economics import Owner, Terms, load_price
from imaxproxy.errors import UsageError


def test_by_default_the_newest_hyperscaler_price() -> None:
    paid = Terms.of({}).pay("b200")
    assert (paid.usd_per_gpu_hour, paid.tenure, paid.generation, paid.as_of) == (1.73, "hyperscaler", "C", "2026-08-14")


@pytest.mark.parametrize(
    ("price", "usd", "tenure", "generation"),
    [
        ("rental", 2.60, "rental", "C"),
        ("A/rental", 2.90, "rental", "A"),
        ("on_demand", 3.75, "on_demand", "quotes"),
        ("2.5", 2.5, "given", None),
        (2.5, 2.5, "given", None),  # a manifest may hold a number
    ],
)
def test_prices_by_word_and_by_number(price: object, usd: float, tenure: str, generation: str | None) -> None:
    paid = Terms.of({"price": price}).pay("b200")
    assert (paid.usd_per_gpu_hour, paid.tenure, paid.generation) == (usd, tenure, generation)
    assert paid.assumptions[0].value == usd


def test_a_given_price_holds_for_a_gpu_that_nobody_knows() -> None:
    paid = Terms("7").pay("Abacus")
    assert (paid.gpu_kind, paid.usd_per_gpu_hour, paid.power) == ("abacus", 7.0, None)
    with pytest.raises(UsageError, match="unknown GPU"):
        Terms().pay("abacus")


def test_an_owner_pays_capital_room_and_power() -> None:
    paid = Terms("own", usd_per_kwh=0.10, pue=1.5, owner=Owner(35_040, 4)).pay("b200")
    assert paid.hour is not None
    assert paid.basis == "owned"
    assert paid.hour.capital_usd == pytest.approx(1.0)
    assert paid.hour.electricity_usd == pytest.approx(1.71 * 1.5 * 0.10)
    assert paid.usd_per_gpu_hour == paid.hour.usd


def test_the_tables_owner_names_what_it_is_made_of() -> None:
    paid = Terms("own").pay("gb200")
    names = [each.name for each in paid.assumptions]
    assert names[:2] == ["gb200 capital cost", "colocation"]
    assert "no network outside it" in paid.assumptions[0].source
    with pytest.raises(UsageError, match="no capital cost of mi300x is known"):
        Terms("own").pay("mi300x")


def test_cooling_decides_the_pue_unless_it_is_given() -> None:
    assert Terms().facility("b200").value == 1.3
    assert Terms().facility("gb200").value == 1.1
    assert Terms(pue=1.54).facility("gb200").value == 1.54
    assert Terms(usd_per_kwh=0.05).power_price().value == 0.05
    assert Terms().power_price().as_of == "2024-07"


def test_a_later_report_keeps_what_it_does_not_change() -> None:
    played = {"price": "A/rental", "power_price": 0.05, "pue": None}
    terms = Terms.of({"pue": 1.2}).or_else(played)
    assert (terms.price, terms.usd_per_kwh, terms.pue) == ("A/rental", 0.05, 1.2)
    assert Terms.of({"price": "3"}).or_else(played).pay("b200").usd_per_gpu_hour == 3.0
    assert load_price("b200", "rental", "A").usd_per_gpu_hour == terms.pay("b200").usd_per_gpu_hour


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"price": "cheap"}, "--price is a number of USD a GPU-hour, one of"),
        ({"price": "-1"}, "--price is above 0"),
        ({"price": "nan"}, "--price is above 0"),
        ({"price": "inf"}, "--price is above 0"),
        ({"price": "Z/rental"}, "no generation 'Z'; known: A, B, C, D"),
        ({"price": "A/own"}, "or GENERATION/TENURE"),
        ({"power_price": -0.1}, "--power-price is USD a kWh"),
        ({"power_price": "dear"}, "are numbers"),
        ({"pue": 0.9}, "--pue is facility power over IT power, 1 or more"),
        ({"pue": float("nan")}, "--pue is facility power"),
    ],
)
def test_terms_that_cannot_be(settings: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Terms.of(settings)
