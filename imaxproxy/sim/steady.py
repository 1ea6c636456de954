"""The closed form: what a deployment settles at under a constant concurrency."""

import math
from dataclasses import dataclass

from imaxproxy.errors import UsageError
from imaxproxy.sim.step import StepLoad, StepModel

_MOST_ROUNDS = 500
_SETTLED = 1e-9


@dataclass(frozen=True, slots=True)
class SteadyState:
    """A point of the Pareto curve, predicted."""

    tpot_s: float
    ttft_s: float
    streams: float
    """Mean number of decoding streams."""
    output_tokens_per_s: float
    total_tokens_per_s: float


def steady_state(
    model: StepModel,
    concurrency: int,
    input_tokens: int,
    output_tokens: int,
    *,
    chunk_tokens: int = 8192,
    memory_utilization: float = 0.9,
) -> SteadyState:
    """Iterate the mix of decode-only and decode+prefill steps to its fixed point. Raises ValueError for bad sizes.

        arrivals = B / osl a step;  pieces = max(1, isl / chunk);  f = min(1, arrivals * pieces);
        P = arrivals * isl / f;  t_avg = (1 - f) * t(decode) + f * t(decode + P);  TPOT = t_avg;
        TTFT = overhead + t_avg / 2 + pieces * t(+P)
        E2E = TTFT + TPOT * (osl - 1);  B = min(C * TPOT * (osl - 1) / E2E, capacity / (isl + osl / 2))

    TTFT holds the front end's overhead and no queueing: where B is capped by KV memory it is too low, and InferenceX's
    own, which counts the burst of a closed loop's start, is about twice it.
    One token is made a step (no speculative decoding).
    """
    if concurrency < 1 or input_tokens < 1 or output_tokens < 2:
        raise ValueError("needs a concurrency and an input of 1 or more, and 2 or more output tokens")
    capacity = model.kv_capacity_tokens(memory_utilization) / (input_tokens + output_tokens / 2)
    if capacity <= 0:
        raise UsageError(
            f"{model.deployment.architecture.name} does not fit on {model.deployment.gpus} {model.deployment.gpu.name}"
        )
    streams = min(float(concurrency), capacity)
    for _ in range(_MOST_ROUNDS):
        tpot_s, ttft_s = _point(model, streams, input_tokens, output_tokens, chunk_tokens)
        decode_s = tpot_s * (output_tokens - 1)
        settled = min(concurrency * decode_s / (ttft_s + decode_s), capacity)
        if math.isclose(settled, streams, rel_tol=_SETTLED):
            break
        streams = (streams + settled) / 2
    requests_per_s = streams / decode_s
    return SteadyState(
        tpot_s=tpot_s,
        ttft_s=ttft_s,
        streams=streams,
        output_tokens_per_s=requests_per_s * output_tokens,
        total_tokens_per_s=requests_per_s * (input_tokens + output_tokens),
    )


def _point(
    model: StepModel, streams: float, input_tokens: int, output_tokens: int, chunk_tokens: int
) -> tuple[float, float]:
    """TPOT and TTFT when `streams` are decoding."""
    arrivals = streams / output_tokens
    pieces = max(1.0, input_tokens / chunk_tokens)
    prefill_share = min(1.0, arrivals * pieces)
    context = input_tokens + output_tokens / 2
    mixed = StepLoad(streams, context, arrivals * input_tokens / prefill_share, input_tokens / 2)
    mixed_s = model.step_s(mixed)
    mean_s = (1 - prefill_share) * model.step_s(StepLoad(streams, context)) + prefill_share * mixed_s
    first_s = mean_s / 2 + pieces * mixed_s
    return mean_s, model.constants.request_overhead_s + first_s
