import pytest

from imaxproxy.economics import Terms, load_price
from imaxproxy.errors import UsageError
from imaxproxy.report.content import prices_for


def test_a_gpu_has_what_the_table_offers_and_the_default_is_taken() -> None:
    b200, unknown = prices_for(["b200", "tpu9", "b200"], Terms.of({})).gpus
    assert b200.taken == "hyperscaler"
    assert b200.usd_per_gpu_hour == load_price("b200").usd_per_gpu_hour
    assert [offer["tenure"] for offer in b200.offers] == ["hyperscaler", "neocloud", "rental", "on_demand"]
    assert b200.kw_per_gpu == load_price("b200").kw_per_gpu
    assert b200.owner is not None
    assert (unknown.usd_per_gpu_hour, unknown.offers, unknown.owner, unknown.pue) == (None, (), None, None)


@pytest.mark.parametrize(("price", "taken"), [("2.5", "given"), ("own", "own"), ("rental", "rental")])
def test_the_terms_choose(price: str, taken: str) -> None:
    prices = prices_for(["b200"], Terms(price, usd_per_kwh=0.2, pue=1.1))
    assert prices.gpus[0].taken == taken
    assert prices.gpus[0].usd_per_gpu_hour == Terms(price, usd_per_kwh=0.2, pue=1.1).pay("b200").usd_per_gpu_hour
    assert prices.gpus[0].pue is not None
    assert prices.gpus[0].pue.value == 1.1
    assert prices.power.value == 0.2


def test_a_chosen_price_that_a_gpu_does_not_have_is_bad_usage() -> None:
    with pytest.raises(UsageError, match="unknown GPU"):
        prices_for(["tpu9"], Terms("rental"))
