import pytest

from imaxproxy.economics import load_price, provisioned_cost, tokens_per_s_per_mw, usd_per_million_tokens
from imaxproxy.errors import UsageError


@pytest.mark.parametrize(
    ("gpu", "tokens_per_s_per_gpu", "usd", "digits"),
    [  # InferenceX dashboard and "best GPU" posts of 2026-04, all at generation A, hyperscaler
        ("b200", 20_939, 0.026, 3),
        ("gb200", 5_790, 0.106, 3),
        ("b200", 61_612.7, 0.0088, 4),  # gpt-oss 8k/1k TRT-LLM
        ("h200", 15_202.1, 0.0258, 4),
        ("h100", 10_394.0, 0.03, 2),
        ("gb200", 53_952.5, 0.01, 2),
        ("b200", 12_981.3, 0.0417, 4),  # Llama 70B
        ("h200", 5_101.6, 0.0768, 4),
        ("gb300", 18_131.6, 0.04, 2),  # DeepSeek R1
        ("h200", 2_453.9, 0.1596, 4),
        ("b200", 30_000, 0.0181, 4),  # the "$0.02 a million tokens" claim
        ("b200", 6_000, 0.090, 3),
    ],
)
def test_cost_is_the_published_one(gpu: str, tokens_per_s_per_gpu: float, usd: float, digits: int) -> None:
    price = load_price(gpu, "hyperscaler", "A")
    cost = usd_per_million_tokens(price.usd_per_gpu_hour, tokens_per_s_per_gpu)
    assert cost is not None
    assert round(cost, digits) == usd


def test_tokens_per_megawatt_is_the_published_one() -> None:
    per_mw = tokens_per_s_per_mw(25_319.6, load_price("b200", generation="A").kw_per_gpu)
    assert per_mw == pytest.approx(11_668_029, rel=1e-5)


def test_the_cost_object_charges_each_stream_the_full_gpu_and_says_so() -> None:
    cost = provisioned_cost("b200", 8, 80_000.0, 40_000.0, generation="A")
    assert cost["usd_per_million_output_tokens"] == pytest.approx(1.95 / 3600 / 5_000 * 1e6)
    assert cost["usd_per_million_total_tokens"] == pytest.approx(1.95 / 3600 / 10_000 * 1e6)
    assert cost["usd_per_million_input_tokens"] is None
    assert (cost["basis"], cost["gpu"], cost["gpus"], cost["tenure"]) == ("provisioned", "b200", 8, "hyperscaler")
    assert (cost["price_as_of"], cost["price_generation"]) == ("2025-10-09", "A")
    assert "do not add up" in str(cost["note"])


@pytest.mark.parametrize("rate", [None, 0.0])
def test_no_token_has_no_price(rate: float | None) -> None:
    cost = provisioned_cost("h100", 1, rate, rate)
    assert cost["usd_per_million_total_tokens"] is None
    assert cost["usd_per_million_output_tokens"] is None


def test_a_deployment_has_gpus() -> None:
    with pytest.raises(ValueError, match="at least 1 GPU"):
        provisioned_cost("h100", 0, 1.0, 1.0)
    with pytest.raises(UsageError, match="unknown GPU"):
        provisioned_cost("tpu", 1, 1.0, 1.0)
