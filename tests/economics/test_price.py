import pytest

from imaxproxy.economics import TENURES, generations, gpu_kinds, load_gpu, load_price, newest_generation, quotes
from imaxproxy.economics.table import table
from imaxproxy.errors import UsageError


@pytest.mark.parametrize("kind", gpu_kinds())
@pytest.mark.parametrize("generation", generations())
def test_every_gpu_has_a_price_in_every_generation(kind: str, generation: str) -> None:
    price = load_price(kind, "rental", generation)
    assert price.usd_per_gpu_hour > 0
    assert price.kw_per_gpu * 1000 > load_gpu(kind).tdp_w  # all-in power holds more than the board
    usd, kw = price.assumptions()
    assert (usd.value, kw.value) == (price.usd_per_gpu_hour, price.kw_per_gpu)
    assert usd.source
    assert kw.as_of
    assert kw.source
    assert price.boundary


def test_the_default_is_the_newest_generation_with_a_date() -> None:
    assert newest_generation() == "C"
    assert load_price("b200").as_of == "2026-08-14"
    assert load_price("b200", generation="D").as_of is None


def test_a_price_keeps_its_own_day_when_only_the_power_was_renewed() -> None:
    b = load_price("b200", generation="B")
    assert (b.usd_per_gpu_hour, b.as_of, b.kw_per_gpu, b.kw_as_of) == (1.95, "2025-10-09", 1.71, "2026-07-14")
    assert load_price("b200", generation="A").kw_boundary == "facility"
    assert b.kw_boundary == "it"


def test_on_demand_is_the_newest_quote_with_the_newest_power() -> None:
    price = load_price("h200", "on_demand")
    assert [row["usd_per_gpu_hour"] for row in quotes("h200")] == [4.54, 2.25]
    assert (price.usd_per_gpu_hour, price.as_of, price.kw_per_gpu) == (2.25, "2026-06", load_price("h200").kw_per_gpu)


@pytest.mark.parametrize(
    ("kind", "tenure", "generation", "says"),
    [
        ("b2000", "rental", None, "unknown GPU 'b2000'; known: h100, h200, b200"),
        ("b200", "stolen", None, f"known: {', '.join(TENURES)}"),
        ("b200", "rental", "Z", "known: A, B, C, D"),
        ("b200", "neocloud", "D", "generation D has no neocloud price for b200; it has hyperscaler, rental"),
        ("b200", "on_demand", "C", "quotes, they have no generation 'C'"),
        ("gb300", "on_demand", None, "no on_demand quote for gb300"),
    ],
)
def test_what_is_not_in_the_table_is_the_users_mistake(
    kind: str, tenure: str, generation: str | None, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        load_price(kind, tenure, generation)


def test_every_figure_of_the_table_has_a_source_and_a_day() -> None:
    whole = table()
    dated = [*whole["gpu_source"].values(), *whole["quote"], *whole["capex"].values(), *whole["default"].values()]
    assert all(row["source"] and row["as_of"] for row in dated)
    assert all(row["boundary"] for row in whole["capex"].values())
    for generation in whole["price"].values():
        assert generation["source"]
        assert generation["kw_source"]
        assert generation["kw_as_of"]
        assert generation["kw_boundary"] in {"it", "facility"}
