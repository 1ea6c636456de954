import pytest

from imaxproxy.economics import load_gpu
from imaxproxy.errors import UsageError
from imaxproxy.sim import Deployment, StepModel, load_architecture, parse_args, predict_curve, steady_state
from imaxproxy.sim.disaggregated import Disaggregated, disaggregated_state


def model(gpu: str = "b200", tp: int = 1, name: str = "gpt-oss-120b", precision: str = "fp4") -> StepModel:
    return StepModel(Deployment(load_architecture(name), load_gpu(gpu), "trtllm", precision, tp=tp))


def test_a_loaded_system_gives_what_its_slower_side_gives() -> None:
    one = Disaggregated(model(), 1, model(), 4)
    two = Disaggregated(model(), 2, model(), 4)
    assert (one.gpus, two.gpus) == (5, 6)
    few, more = (disaggregated_state(system, 512, 8192, 256) for system in (one, two))
    assert more.output_tokens_per_s > 1.5 * few.output_tokens_per_s  # prompts were what held it up
    assert few.ttft_s > 1.5 * more.ttft_s


def test_littles_law_holds() -> None:
    state = disaggregated_state(Disaggregated(model(), 1, model(), 2), 64, 2048, 512)
    requests_per_s = state.output_tokens_per_s / 512
    assert requests_per_s * (state.ttft_s + state.tpot_s * 511) == pytest.approx(64, rel=0.01)


def test_decoding_is_not_held_up_by_prompts() -> None:
    apart = disaggregated_state(Disaggregated(model(), 1, model(), 1), 32, 8192, 1024)
    assert apart.tpot_s < steady_state(model(), 32, 8192, 1024).tpot_s


def test_kv_travels_slowly_where_nvlink_ends() -> None:
    within, beyond = Disaggregated(model(), 1, model(), 1), Disaggregated(model(), 4, model(), 8)
    assert beyond.transfer_s(8192) > 10 * within.transfer_s(8192)
    slow = Disaggregated(model(), 1, model(), 1, link_bytes_per_s=1e9)
    assert slow.transfer_s(1000) == pytest.approx(1000 * model().kv_bytes_per_token() / 1e9 / 0.8)


def test_a_recipe_of_two_kinds_is_predicted_outside_the_calibrated_range() -> None:
    args = parse_args(["--prefill-workers", "1", "--decode-workers", "2"])
    (point,) = predict_curve(args, [16], 1024, 1024)
    assert (point.gpus, point.in_calibrated_range) == (3, False)


def test_what_does_not_fit_is_refused_with_the_arithmetic() -> None:
    large = model(name="deepseek-r1", precision="fp8")
    with pytest.raises(UsageError, match=r"leaves .* = -.* GB for KV"):
        disaggregated_state(Disaggregated(large, 1, large, 1), 1, 1024, 1024)
