"""The announcement's headline figures: the arithmetic that leads to them, and what it takes for granted."""

import pytest

from imaxproxy.economics import EXAMPLES, nvidia_15x, two_cents
from imaxproxy.errors import UsageError


def steps(example: object) -> dict[str, float]:
    return {step.name: step.value for step in example.steps}  # type: ignore[attr-defined]


def test_75_million_from_5_needs_every_token_of_a_full_rack_sold_at_a_dollar_ten() -> None:
    found = steps(nvidia_15x())
    assert found["tokens over the life"] == pytest.approx(68.1, abs=0.05)
    assert found["price that makes the revenue"] == pytest.approx(1.10, abs=0.005)
    assert found["revenue / investment"] == 15
    assert found["revenue / investment at 40 % of that load, same price"] == pytest.approx(6)
    assert found["the GPU-hours at 2.21 USD, hyperscaler (2025-10)"] == pytest.approx(4.18, abs=0.005)
    assert found["the GPU-hours at 2.75 USD, neocloud (2025-10)"] == pytest.approx(5.20, abs=0.005)


@pytest.mark.parametrize(
    ("years", "price_usd", "tokens_per_s_per_gpu"),
    [(3, 1.0, 11_010), (3, 5.0, 2_202), (4, 1.0, 8_258), (5, 0.5, 13_212)],  # what other lives and prices would need
)
def test_the_same_revenue_from_other_lives_and_prices(
    years: float, price_usd: float, tokens_per_s_per_gpu: float
) -> None:
    found = steps(nvidia_15x(years=years, tokens_per_s_per_gpu=tokens_per_s_per_gpu))
    assert found["price that makes the revenue"] == pytest.approx(price_usd, rel=1e-3)


def test_two_cents_is_30_000_tokens_a_second_at_any_price_of_2025() -> None:
    found = steps(two_cents())
    assert round(found["at 1.95 USD/GPU-hour, hyperscaler, 2025-10-09"], 4) == 0.0181
    assert round(found["at 2.34 USD/GPU-hour, neocloud, 2025-10-09"], 4) == 0.0217
    assert round(found["at 2.9 USD/GPU-hour, rental, 2025-10-09"], 4) == 0.0269
    assert round(found["two months before, a fifth of the throughput, neocloud"], 3) == 0.108


@pytest.mark.parametrize("make", EXAMPLES.values())
def test_what_a_claim_leaves_open_is_said(make: object) -> None:
    example = make()  # type: ignore[operator]
    assert {"utilisation"} <= {each.name for each in example.free}
    assert example.source
    assert example.as_of
    half = make(utilisation=0.5)  # type: ignore[operator]
    name = example.steps[1].name if example.name == "nvidia-15x" else example.steps[0].name
    assert steps(half)[name] == pytest.approx(2 * steps(example)[name])


def test_impossible_examples() -> None:
    with pytest.raises(UsageError, match="--utilisation is a share"):
        nvidia_15x(utilisation=1.5)
    with pytest.raises(UsageError, match="above 0"):
        two_cents(tokens_per_s_per_gpu=0)
