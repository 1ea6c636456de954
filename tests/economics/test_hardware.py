import pytest

from imaxproxy.economics import gpu_facts, gpu_kinds, load_gpu
from imaxproxy.errors import UsageError


def test_a_gpu_has_its_published_figures() -> None:
    b200 = load_gpu("B200")
    assert (b200.kind, b200.architecture, b200.hbm_bytes, b200.hbm_bytes_per_s) == ("b200", "blackwell", 180e9, 8e12)
    assert b200.flops_per_s == {"bf16": 2250e12, "fp8": 4500e12, "fp4": 9000e12}
    assert "fp4" not in load_gpu("h200").flops_per_s
    assert (load_gpu("gb200").cooling, load_gpu("mi355x").vendor) == ("liquid", "amd")


@pytest.mark.parametrize("kind", gpu_kinds())
def test_each_fact_has_its_source_and_day(kind: str) -> None:
    facts = {fact.name: fact for fact in gpu_facts(kind)}
    assert facts["TDP"].value == load_gpu(kind).tdp_w
    assert facts["HBM"].value == pytest.approx(load_gpu(kind).hbm_bytes / 1e9)
    assert all(fact.source and fact.as_of and fact.unit for fact in facts.values())


def test_an_unknown_gpu_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="unknown GPU 'tpu'; known: h100, h200, b200"):
        load_gpu("tpu")
