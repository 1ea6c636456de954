"""The closed form: what a deployment settles at under a constant concurrency."""

import math
from dataclasses import dataclass, replace

from imaxproxy.errors import UsageError
from imaxproxy.sim.step import StepLoad, StepModel

_MOST_ROUNDS = 500
_SETTLED = 1e-9


@dataclass(frozen=True, slots=True)
class SteadyState:
    """A point of the Pareto curve, predicted. Rates are of the whole deployment."""

    tpot_s: float
    ttft_s: float
    streams: float
    """Mean number of decoding streams."""
    output_tokens_per_s: float
    total_tokens_per_s: float
    queued_s: float = 0.0
    """Part of the TTFT: the wait for room in the KV cache."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of a request, the same for all."""

    input_tokens: float
    output_tokens: float

    @property
    def mean_context(self) -> float:
        """Of a decoding stream: the prompt and half of the answer."""
        return self.input_tokens + self.output_tokens / 2


def steady_state(
    model: StepModel,
    concurrency: int,
    input_tokens: float,
    output_tokens: float,
    *,
    chunk_tokens: int | None = None,
    memory_share: float = 0.9,
    max_streams: float = math.inf,
) -> SteadyState:
    """Iterate the mix of decode-only and decode+prefill steps to its fixed point. Raises ValueError for bad sizes.

        arrivals = B * AL / osl a step;  pieces = max(1, isl / chunk);  f = min(1, arrivals * pieces);
        P = arrivals * isl / f;  t_avg = (1 - f) * t(decode) + f * t(decode + P);  TPOT = t_avg / AL;
        B = min(C * TPOT * (osl - 1) / E2E, capacity / (isl + osl / 2));  E2E = TTFT + TPOT * (osl - 1)
        TTFT = request + (1/2 + wait steps) * t_avg + t(whole prompt) + burst * (C - 1) * t_prompt + queue

    AL is the acceptance length (1 without speculation), t_prompt the time of a prompt's tokens in full steps. The burst
    term is what a closed loop adds that starts with all C requests at once, as InferenceX's does. queue: where memory
    caps B, what Little's law leaves of C / throughput.
    """
    if concurrency < 1 or input_tokens < 1 or output_tokens < 2:
        raise ValueError("needs a concurrency and an input of 1 or more, and 2 or more output tokens")
    lengths = Lengths(input_tokens, output_tokens)
    capacity = min(_capacity(model, lengths, memory_share), max_streams)
    chunk = chunk_tokens or model.constants.chunk_tokens
    streams = min(float(concurrency), capacity)
    for _ in range(_MOST_ROUNDS):
        tpot_s, ttft_s = _point(model, streams, lengths, concurrency, chunk)
        decode_s = tpot_s * (output_tokens - 1)
        settled = min(concurrency * decode_s / (ttft_s + decode_s), capacity)
        if math.isclose(settled, streams, rel_tol=_SETTLED):
            break
        streams = (streams + settled) / 2
    requests_per_s = streams / decode_s
    queued_s = max(0.0, concurrency / requests_per_s - ttft_s - decode_s)
    return SteadyState(
        tpot_s=tpot_s,
        ttft_s=ttft_s + queued_s,
        streams=streams,
        output_tokens_per_s=requests_per_s * output_tokens,
        total_tokens_per_s=requests_per_s * (input_tokens + output_tokens),
        queued_s=queued_s,
    )


def check_fits(model: StepModel, memory_share: float = 0.9) -> None:
    """Raises UsageError with the arithmetic when the weights leave no room for KV."""
    if model.kv_room_bytes(memory_share) > 0:
        return
    deployment, constants = model.deployment, model.constants
    weights, fixed = f"{model.weight_bytes_per_gpu() / 1e9:.1f} GB", f"{constants.fixed_memory_bytes / 1e9:.0f} GB"
    memory = f"{deployment.gpu.hbm_bytes / 1e9:.0f} GB"
    left = f"{memory_share:g} x {memory} - {weights} - {fixed}"
    if constants.memory == "free":
        left = f"{memory_share:g} x ({memory} - {weights} - {fixed})"
    least = _least_tp(model, memory_share)
    raise UsageError(
        f"{deployment.architecture.name} does not fit on {deployment.gpus} {deployment.gpu.name}: of each GPU's "
        f"{memory} the weights take {weights} ({deployment.precision}, tp {deployment.tp}) and activations {fixed}, "
        f"which leaves {left} = {model.kv_room_bytes(memory_share) / 1e9:.1f} GB for KV; "
        + (f"the least tp that fits is {least}" if least else "no tp of one NVLink domain fits: take a lower precision")
    )


def _least_tp(model: StepModel, memory_share: float) -> int | None:
    """The smallest tp with room for KV that divides the heads; None where a whole NVLink domain is too small."""
    deployment = model.deployment
    tp = deployment.tp
    while (tp := tp * 2) <= deployment.gpu.nvlink_domain_gpus:
        try:
            larger = StepModel(replace(deployment, tp=tp))
        except UsageError:  # the heads do not divide
            continue
        if larger.kv_room_bytes(memory_share) > 0:
            return tp
    return None


def _capacity(model: StepModel, lengths: Lengths, memory_share: float) -> float:
    check_fits(model, memory_share)
    tokens = model.kv_capacity_tokens(memory_share)
    if tokens < lengths.input_tokens + lengths.output_tokens:
        raise UsageError(
            f"a request of {lengths.input_tokens:.0f} + {lengths.output_tokens:.0f} tokens does not fit into the KV "
            f"cache of {tokens} tokens that {model.deployment.gpus} {model.deployment.gpu.name} have left"
        )
    return tokens / lengths.mean_context


def _point(
    model: StepModel, streams: float, lengths: Lengths, concurrency: int, chunk_tokens: int
) -> tuple[float, float]:
    """TPOT and TTFT when `streams` are decoding."""
    accepted = model.deployment.speculation.mean_tokens
    constants, isl = model.constants, lengths.input_tokens
    arrivals = streams * accepted / lengths.output_tokens
    prefill_share = min(1.0, arrivals * max(1.0, isl / chunk_tokens))
    context = lengths.mean_context
    mixed_s = model.step_s(StepLoad(streams, context, arrivals * isl / prefill_share, isl / 2))
    mean_s = (1 - prefill_share) * model.step_s(StepLoad(streams, context)) + prefill_share * mixed_s
    read_s = _steps_s(model, StepLoad(streams, context, isl, isl / 2), chunk_tokens)
    waits_s = constants.request_s + (0.5 + model.wait_steps) * mean_s
    if concurrency > 1:
        full_tokens = min(2 * isl, chunk_tokens)
        full_s = model.step_s(StepLoad(streams, context, full_tokens, isl / 2)) * isl / full_tokens
        waits_s += constants.burst_share * (concurrency - 1) * full_s
    return mean_s / accepted, waits_s + read_s


def _steps_s(model: StepModel, load: StepLoad, chunk_tokens: int) -> float:
    """Time to read a whole prompt among decoding streams, in as many steps as its chunks need."""
    pieces = max(1.0, load.prefill_tokens / chunk_tokens)
    piece = StepLoad(load.decode_streams, load.context_tokens, load.prefill_tokens / pieces, load.attended_tokens)
    return pieces * model.step_s(piece)
