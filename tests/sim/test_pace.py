import pytest

from imaxproxy.clock import NS_PER_MS
from imaxproxy.economics import load_gpu
from imaxproxy.sim import Deployment, FixedPace, ModelPace, StepLoad, StepModel, Stream, load_architecture
from imaxproxy.sim.pace import ScaledPace
from imaxproxy.sim.scheduler import Step

LLAMA = load_architecture("llama-3.3-70b")


def model(engine: str = "vllm", batch_wait_steps: float = 0.0) -> StepModel:
    return StepModel(Deployment(LLAMA, load_gpu("b200"), engine, "fp4", batch_wait_steps=batch_wait_steps))


def decoding(streams: int, context_tokens: int) -> Step:
    return Step(decode=[Stream(1, 2) for _ in range(streams)], context_tokens=streams * context_tokens)


def test_a_step_costs_what_the_model_says_of_its_streams_and_mean_context() -> None:
    pace, prices = ModelPace(model()), model()
    step = decoding(8, 1000)
    assert pace.step_ns(step) == pytest.approx(prices.step_s(StepLoad(8, 1000)) * 1e9)
    assert pace.step_ns(step, later=500) == pytest.approx(prices.step_s(StepLoad(8, 1500)) * 1e9)


def test_prompts_are_priced_by_what_their_tokens_attend_to() -> None:
    pace, prices = ModelPace(model()), model()
    step = Step(prefill=[(Stream(100, 1), 100)], prefill_tokens=100, attended_products=100 * 450.0)
    assert pace.step_ns(step) == pytest.approx(prices.step_s(StepLoad(0, 0, 100, 450)) * 1e9)


def test_a_request_is_held_as_its_engine_holds_it() -> None:
    plain, waiting = ModelPace(model("trtllm")), ModelPace(model("trtllm", batch_wait_steps=20))
    assert plain.hold_ns == waiting.hold_ns == round(model("trtllm").constants.request_s * 1e9)
    assert waiting.hold_steps == pytest.approx(plain.hold_steps + 20)


def test_a_scaled_pace_is_faster_and_draws_the_same_watts() -> None:
    pace = ModelPace(model())
    fast, step = ScaledPace(pace, 4), decoding(8, 1000)
    step_ns = pace.step_ns(step)
    assert fast.step_ns(step) == pytest.approx(step_ns / 4)
    assert fast.hold_ns == pytest.approx(pace.hold_ns / 4, abs=1)
    assert fast.step_w(step, step_ns / 4) == pytest.approx(pace.step_w(step, step_ns))
    assert (fast.gpus, fast.power, fast.hold_steps) == (pace.gpus, pace.power, pace.hold_steps)


def test_a_fixed_pace_models_no_hardware() -> None:
    pace = FixedPace(step_ms=5, ttft_ms=20)
    assert pace.step_ns(decoding(1, 1)) == pace.step_ns(decoding(99, 9000)) == 5 * NS_PER_MS
    assert (pace.hold_ns, pace.gpus, pace.power) == (15 * NS_PER_MS, 0, None)
