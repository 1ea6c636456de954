import pytest

from imaxproxy.economics import load_gpu
from imaxproxy.errors import UsageError
from imaxproxy.sim import Deployment, StepLoad, StepModel, load_architecture, steady_state
from imaxproxy.sim.speculation import NO_SPECULATION, Speculation, by_length


def model(**changes: object) -> StepModel:
    fields: dict[str, object] = {
        "architecture": load_architecture("gpt-oss-120b"),
        "gpu": load_gpu("b200"),
        "engine": "vllm",
        "precision": "fp4",
        **changes,
    }
    return StepModel(Deployment(**fields))  # type: ignore[arg-type]


def test_reaches_the_best_published_throughput() -> None:
    """NVIDIA's 60,000 total tokens/s/GPU of gpt-oss-120b on B200: one GPU, a large batch."""
    steady = steady_state(model(engine="trtllm"), 2048, 1024, 1024)
    assert steady.total_tokens_per_s == pytest.approx(60_000, rel=0.15)


def test_a_step_is_the_sum_of_its_terms() -> None:
    step = model(tp=4)
    load = StepLoad(decode_streams=32, context_tokens=2000)
    assert step.step_s(load) == pytest.approx(sum(step.terms_s(load).values()))
    assert all(time_s >= 0 for time_s in step.terms_s(load).values())


def test_more_work_takes_longer() -> None:
    step = model()
    light = step.step_s(StepLoad(8, 1000))
    assert step.step_s(StepLoad(16, 1000)) > light
    assert step.step_s(StepLoad(8, 4000)) > light
    assert step.step_s(StepLoad(8, 1000, prefill_tokens=4096, attended_tokens=2048)) > light


def test_one_gpu_does_not_talk_and_a_dense_model_has_no_experts() -> None:
    assert model().terms_s(StepLoad(8, 1000))["communication"] == 0
    llama = model(architecture=load_architecture("llama-3.3-70b"))
    assert "experts" not in llama.terms_s(StepLoad(8, 1000))


def test_kv_capacity_is_what_the_weights_leave() -> None:
    """0.9 * 180 GB less 65 GB of weights and 4 GB, at 18,432 bytes a token (36,864 / 2 growing, fp8)."""
    weights_bytes = 60.9e9 + 1.9e9 + 2.3e9
    assert model().weight_bytes_per_gpu() == pytest.approx(weights_bytes, rel=0.01)
    assert model().kv_capacity_tokens() == pytest.approx((0.9 * 180e9 - weights_bytes - 4e9) / 18_432, rel=0.01)


def test_what_does_not_fit_has_no_room() -> None:
    large = model(architecture=load_architecture("deepseek-r1"), precision="fp8")
    assert large.kv_capacity_tokens() == 0
    with pytest.raises(UsageError, match="does not fit on 1 B200"):
        steady_state(large, 1, 1024, 1024)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tp": 4, "ep": 3}, "ep must divide tp"),
        ({"tp": 16}, "more than one NVLink domain"),
        ({"vintage": 0.0}, "vintage must be above 0"),
        ({"precision": "int2"}, "unknown precision"),
        ({"engine": "llamacpp"}, "no constants for engine"),
        ({"architecture": load_architecture("llama-3.3-70b"), "gpu": load_gpu("h200")}, "H200 SXM has no fp4"),
        ({"architecture": load_architecture("llama-3.3-70b"), "tp": 2, "ep": 2}, "has no experts"),
    ],
)
def test_refuses_what_cannot_run(changes: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        model(**changes)


def test_says_where_it_was_calibrated() -> None:
    assert model().deployment.in_calibrated_range()
    assert not model(gpu=load_gpu("b300")).deployment.in_calibrated_range()


def test_a_steady_state_needs_a_load() -> None:
    with pytest.raises(ValueError, match="2 or more output tokens"):
        steady_state(model(), 1, 1024, 1)


@pytest.mark.parametrize("drafts", [NO_SPECULATION, by_length(3, 2.2)])
def test_a_step_is_the_sum_of_its_terms_however_often_its_batch_was_seen(drafts: Speculation) -> None:
    step = model(architecture=load_architecture("deepseek-r1"), engine="trtllm", tp=8, speculation=drafts)
    for load in (StepLoad(32, 4000), StepLoad(32, 9000), StepLoad(32, 9000, 2048, 1024), StepLoad(0, 0, 500, 250)):
        drafting = 1 + step.constants.drafter_share * drafts.draft_tokens
        for _ in range(2):
            assert step.step_s(load) == pytest.approx(sum(step.terms_s(load).values()) * drafting)
