"""InferenceX's formulas on what it published itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.economics import (
    electricity_usd_per_million_tokens,
    load_price,
    provisioned_j_per_token,
    tokens_per_s_per_mw,
    tokens_per_usd,
    usd_per_million_tokens,
)

rates = st.floats(0.1, 1e7)


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


_GB200 = (
    (60.7, 10.12), (111.8, 5.49), (165.2, 3.72), (274.8, 2.23), (363.3, 1.69), (1_149.1, 0.53), (7_698.0, 0.08),
    (12_659.7, 0.05), (14_659.4, 0.04),
)  # fmt: skip
_B200 = (
    (49.3, 10.99), (118.7, 4.56), (168.9, 3.21), (242.4, 2.23), (369.9, 1.46), (577.3, 0.94), (897.9, 0.60),
    (2_832.9, 0.19), (7_111.4, 0.08), (9_660.7, 0.06), (12_515.7, 0.04),
)  # fmt: skip


@pytest.mark.parametrize(
    ("gpu", "tokens_per_s_per_gpu", "usd"),
    [("gb200", *row) for row in _GB200] + [("b200", *row) for row in _B200],
)
def test_cost_of_a_whole_published_table(gpu: str, tokens_per_s_per_gpu: float, usd: float) -> None:
    """DeepSeek R1 FP4 1k/1k, post of 2026-05-23: throughput in print to 0.1 token/s, cost to a cent."""
    hour = load_price(gpu, "hyperscaler", "A").usd_per_gpu_hour
    dear, cheap = (usd_per_million_tokens(hour, tokens_per_s_per_gpu + off) for off in (-0.05, 0.05))
    assert dear is not None
    assert cheap is not None
    assert round(cheap, 2) <= usd <= round(dear, 2)


@pytest.mark.parametrize(
    ("usd_per_gpu_hour", "tokens_per_s_per_gpu", "usd"),
    [  # NVIDIA's own figures of 2026, DeepSeek R1: it counts with generation A's hyperscaler prices
        (2.65, 6_000, 0.1227),
        (1.41, 90, 4.3519),
    ],
)
def test_nvidia_counts_the_same_way(usd_per_gpu_hour: float, tokens_per_s_per_gpu: float, usd: float) -> None:
    assert usd_per_million_tokens(usd_per_gpu_hour, tokens_per_s_per_gpu) == pytest.approx(usd, abs=5e-5)


def test_tokens_per_megawatt_is_the_published_one() -> None:
    per_mw = tokens_per_s_per_mw(25_319.6, load_price("b200", generation="A").kw_per_gpu)
    assert per_mw == pytest.approx(11_668_029, rel=1e-5)


@pytest.mark.parametrize(
    ("gpu", "tokens_per_s_per_gpu", "per_mw"),
    [  # InferenceMAX v1, gpt-oss 1k/8k at 90 tokens/s/user
        ("mi300x", 1_342, 750_000),
        ("h100", 1_557, 900_000),
        ("mi355x", 6_758, 2_550_000),
        ("b200", 6_076, 2_800_000),
    ],
)
def test_tokens_per_megawatt_of_the_launch(gpu: str, tokens_per_s_per_gpu: float, per_mw: float) -> None:
    found = tokens_per_s_per_mw(tokens_per_s_per_gpu, load_price(gpu, generation="A").kw_per_gpu)
    assert found == pytest.approx(per_mw, rel=1e-3)


def test_provisioned_joules_are_several_times_the_measured_ones() -> None:
    """InferenceX's H200 canary: 506 tokens/s/GPU; 0.588 J/token measured, 2.71 provisioned at generation B."""
    joules = provisioned_j_per_token(506, load_price("h200", generation="B").kw_per_gpu)
    assert joules == pytest.approx(2.71, abs=0.005)


def test_electricity_of_the_same_canary() -> None:
    """0.588 J/token are 0.163 kWh a million tokens; at PUE 1.3 and 8 cents 1.7 cents."""
    assert electricity_usd_per_million_tokens(0.588, 1.0, 1.0) == pytest.approx(0.16333, abs=1e-5)
    assert electricity_usd_per_million_tokens(0.588, 0.08, 1.3) == pytest.approx(0.017, abs=5e-5)


@pytest.mark.parametrize("rate", [None, 0.0])
def test_no_token_has_no_price(rate: float | None) -> None:
    assert usd_per_million_tokens(1.0, rate) is None
    assert provisioned_j_per_token(rate, 1.0) is None
    assert tokens_per_usd(usd_per_million_tokens(1.0, rate)) is None
    assert electricity_usd_per_million_tokens(provisioned_j_per_token(rate, 1.0), 0.08, 1.3) is None
    assert tokens_per_s_per_mw(rate, 1.0) == rate


@given(usd=st.floats(0.01, 100), rate=rates, kw=st.floats(0.1, 10))
def test_joules_tokens_and_megawatts_are_one_thing(usd: float, rate: float, kw: float) -> None:
    per_mw, joules = tokens_per_s_per_mw(rate, kw), provisioned_j_per_token(rate, kw)
    assert per_mw is not None
    assert joules is not None
    assert per_mw * joules == pytest.approx(1e6)
    cost, bought = usd_per_million_tokens(usd, rate), tokens_per_usd(usd_per_million_tokens(usd, rate))
    assert cost is not None
    assert bought is not None
    assert cost * bought == pytest.approx(1e6)
