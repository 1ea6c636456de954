import pytest

from imaxproxy.economics import load_gpu
from imaxproxy.errors import UsageError
from imaxproxy.sim import Deployment, StepModel, load_architecture, steady_state
from imaxproxy.sim.speculation import by_length
from imaxproxy.sim.steady import check_fits


def model(name: str = "gpt-oss-120b", gpu: str = "b200", **fields: object) -> StepModel:
    settings: dict[str, object] = {"engine": "vllm", "precision": "fp4", **fields}
    return StepModel(Deployment(load_architecture(name), load_gpu(gpu), **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("concurrency", [1, 8, 64, 256])
def test_littles_law_holds(concurrency: int) -> None:
    state = steady_state(model(), concurrency, 1024, 1024)
    e2e_s = state.ttft_s + state.tpot_s * 1023
    assert concurrency == pytest.approx(state.output_tokens_per_s / 1024 * e2e_s, rel=0.01)


def test_a_full_batch_makes_the_rest_queue() -> None:
    free, full = steady_state(model(), 64, 1024, 1024), steady_state(model(), 64, 1024, 1024, max_streams=16)
    assert (free.queued_s, full.streams) == (0, pytest.approx(16))
    assert full.queued_s > 1
    assert full.tpot_s < free.tpot_s


def test_prompts_in_more_pieces_take_more_steps() -> None:
    whole, cut = (steady_state(model(), 1, 8192, 128, chunk_tokens=tokens) for tokens in (8192, 1024))
    assert cut.ttft_s > whole.ttft_s


def test_accepted_drafts_are_faster() -> None:
    plain, drafting = (
        steady_state(model(), 4, 1024, 1024),
        steady_state(model(speculation=by_length(3, 2.5)), 4, 1024, 1024),
    )
    assert drafting.tpot_s < plain.tpot_s / 1.4


def test_a_model_with_mla_waits_longer_under_tensorrt_llm() -> None:
    trtllm = model("deepseek-r1", engine="trtllm", tp=8)
    assert trtllm.wait_steps == pytest.approx(trtllm.constants.wait_steps + trtllm.constants.mla_wait_steps)
    assert model("llama-3.3-70b", engine="trtllm").wait_steps == trtllm.constants.wait_steps


@pytest.mark.parametrize("sizes", [(0, 10, 10), (1, 0, 10), (1, 10, 1)])
def test_sizes_without_meaning_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        steady_state(model(), *sizes)


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        ("vllm", r"leaves 0.9 x 180 GB - 386.8 GB - 4 GB = -228.8 GB for KV; the least tp that fits is 4"),
        ("trtllm", r"leaves 0.9 x \(180 GB - 386.8 GB - 4 GB\) = -189.7 GB for KV; the least tp that fits is 4"),
    ],
)
def test_what_does_not_fit_is_refused_with_each_engines_arithmetic(engine: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        check_fits(model("deepseek-r1", engine=engine))


def test_what_fits_nowhere_is_told_to_take_a_lower_precision() -> None:
    with pytest.raises(UsageError, match="no tp of one NVLink domain fits: take a lower precision"):
        check_fits(model("deepseek-r1", "h100", precision="bf16"))


def test_a_request_longer_than_the_cache_is_refused() -> None:
    with pytest.raises(UsageError, match=r"a request of 9000000 \+ 1024 tokens does not fit into the KV cache of"):
        steady_state(model(), 1, 9_000_000, 1024)
