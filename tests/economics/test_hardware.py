from datetime import date

import pytest

from imaxproxy.economics import TENURES, gpu_kinds, load_gpu, load_price, newest_generation
from imaxproxy.errors import UsageError


def test_a_gpu_has_its_published_figures() -> None:
    b200 = load_gpu("B200")
    assert (b200.kind, b200.architecture, b200.hbm_bytes, b200.hbm_bytes_per_s) == ("b200", "blackwell", 180e9, 8e12)
    assert b200.flops_per_s == {"bf16": 2250e12, "fp8": 4500e12, "fp4": 9000e12}
    assert "fp4" not in load_gpu("h200").flops_per_s


@pytest.mark.parametrize("kind", gpu_kinds())
@pytest.mark.parametrize("generation", ["A", "B", "C", "D"])
def test_every_gpu_has_a_price_in_every_generation(kind: str, generation: str) -> None:
    price = load_price(kind, "rental", generation)
    assert price.usd_per_gpu_hour > 0
    assert price.kw_per_gpu * 1000 > load_gpu(kind).tdp_w  # all-in power holds more than the board
    assert price.source
    assert price.boundary


def test_the_default_is_the_newest_generation_with_a_date() -> None:
    assert newest_generation() == "C"
    assert load_price("b200").as_of == date(2026, 8, 14)
    assert load_price("b200", generation="D").as_of is None


@pytest.mark.parametrize(
    ("kind", "tenure", "generation", "says"),
    [
        ("b2000", "rental", None, "unknown GPU 'b2000'; known: h100, h200, b200"),
        ("b200", "stolen", None, f"known: {', '.join(TENURES)}"),
        ("b200", "rental", "Z", "known: A, B, C, D"),
        ("b200", "neocloud", "D", "generation D has no neocloud price for b200"),
    ],
)
def test_what_is_not_in_the_table_is_the_users_mistake(kind: str, tenure: str, generation: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load_price(kind, tenure, generation)
