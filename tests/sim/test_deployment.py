import pytest

from imaxproxy.economics import load_gpu
from imaxproxy.errors import UsageError
from imaxproxy.sim import Deployment, load_architecture


def deployment(model: str = "gpt-oss-120b", gpu: str = "b200", **fields: object) -> Deployment:
    settings: dict[str, object] = {"engine": "vllm", "precision": "fp4", **fields}
    return Deployment(load_architecture(model), load_gpu(gpu), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tp": 4, "ep": 3}, "ep must divide tp, got tp 4 and ep 3"),
        ({"model": "llama-3.3-70b", "tp": 2, "ep": 2}, "has no experts: ep must be 1, not 2"),
        ({"tp": 3}, "tp 3 does not divide the 64 attention heads of gpt-oss-120b: 64 / 3 = 21.33 a GPU"),
        ({"tp": 16}, "more than one NVLink domain of 8 B200 SXM"),
        ({"vintage": 0}, "vintage must be above 0, not 0"),
        ({"precision": "int4"}, "unknown precision 'int4'"),
        ({"model": "llama-3.3-70b", "gpu": "h200"}, "H200 SXM has no fp4 arithmetic"),
        ({"kv_precision": "int8"}, "unknown KV precision 'int8'"),
    ],
)
def test_what_cannot_run_is_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        deployment(**fields)  # type: ignore[arg-type]


def test_attention_of_its_own_on_each_gpu_need_not_divide_the_heads() -> None:
    assert deployment("deepseek-r1", tp=6, ep=6, dp_attention=True).gpus == 6


def test_a_checkpoint_that_ships_quantised_keeps_its_precision() -> None:
    assert deployment(gpu="h200").expert_precision == "mxfp4"  # though an H200 computes no FP4
    assert deployment("deepseek-r1", tp=8).expert_precision == "fp4"


def test_the_calibrated_range_is_what_the_fit_saw() -> None:
    assert deployment(tp=8).in_calibrated_range()
    assert not deployment(gpu="gb200", tp=8).in_calibrated_range()
    assert not deployment("qwen3-32b").in_calibrated_range()
