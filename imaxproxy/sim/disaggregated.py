"""The closed form of disaggregated serving: workers that only read prompts beside workers that only decode."""

import math
from dataclasses import dataclass

from imaxproxy.errors import UsageError
from imaxproxy.sim.steady import Lengths, SteadyState, check_fits
from imaxproxy.sim.step import StepLoad, StepModel

_MOST_ROUNDS = 2000
_SETTLED = 1e-9


@dataclass(frozen=True, slots=True)
class Disaggregated:
    """xPyD: so many workers of each kind."""

    prefill: StepModel
    prefill_workers: int
    decode: StepModel
    decode_workers: int
    link_bytes_per_s: float | None = None
    """Between workers, a GPU; None: NVLink within one domain, else the scale-out network."""

    @property
    def gpus(self) -> int:
        """Of all workers."""
        prefill, decode = self.prefill.deployment, self.decode.deployment
        return self.prefill_workers * prefill.gpus + self.decode_workers * decode.gpus

    def transfer_s(self, tokens: float) -> float:
        """Time to move the KV of a prompt: bytes over the slower side's links together."""
        prefill, decode = self.prefill.deployment, self.decode.deployment
        gpu, constants = prefill.gpu, self.prefill.constants
        within = self.gpus <= gpu.nvlink_domain_gpus
        link = self.link_bytes_per_s or (gpu.nvlink_bytes_per_s if within else constants.scale_out_bytes_per_s)
        rate = link * constants.kv_transfer_efficiency * min(prefill.gpus, decode.gpus)
        return tokens * self.prefill.kv_bytes_per_token() / rate


def disaggregated_state(
    system: Disaggregated,
    concurrency: int,
    input_tokens: float,
    output_tokens: float,
    *,
    chunk_tokens: int | None = None,
    memory_share: float = 0.9,
) -> SteadyState:
    """Iterate to the rate at which both kinds of workers keep up (sim.md 3.1).

        X = min(C / E2E, x * prefill rate, y * decode rate);  B = X * TPOT * (osl - 1) / y  streams a decode worker
        E2E = TTFT + TPOT * (osl - 1);  TTFT = request + wait for a prefill worker + t(prompt) + KV transfer

    The wait is that of an M/D/1 queue, rho/(2(1 - rho)) of a prompt's time over x workers, and what Little's law leaves
    where one kind is full. Raises UsageError for what does not fit, ValueError for bad sizes.
    """
    if concurrency < 1 or input_tokens < 1 or output_tokens < 2:
        raise ValueError("needs a concurrency and an input of 1 or more, and 2 or more output tokens")
    lengths = Lengths(input_tokens, output_tokens)
    capacity = _decode_capacity(system, lengths, memory_share)
    read_s = _read_s(system.prefill, lengths, chunk_tokens or system.prefill.constants.chunk_tokens)
    most_prompts_per_s = system.prefill_workers / read_s
    rate = concurrency / (read_s + output_tokens * system.decode.step_s(StepLoad(1, lengths.mean_context)))
    for _ in range(_MOST_ROUNDS):
        tpot_s, streams = _decode(system, rate, lengths, capacity)
        decode_s = tpot_s * (output_tokens - 1)
        busy = min(rate / most_prompts_per_s, 0.999)
        wait_s = read_s * busy / (2 * (1 - busy)) / system.prefill_workers
        ttft_s = system.decode.constants.request_s + wait_s + read_s + system.transfer_s(input_tokens)
        most_rate = min(most_prompts_per_s, capacity * system.decode_workers / decode_s)
        settled = min(concurrency / (ttft_s + decode_s), most_rate)
        if math.isclose(settled, rate, rel_tol=_SETTLED):
            break
        rate = 0.9 * rate + 0.1 * settled
    queued_s = max(0.0, concurrency / rate - ttft_s - decode_s)
    return SteadyState(
        tpot_s=tpot_s,
        ttft_s=ttft_s + queued_s,
        streams=streams * system.decode_workers,
        output_tokens_per_s=rate * output_tokens,
        total_tokens_per_s=rate * (input_tokens + output_tokens),
        queued_s=queued_s,
    )


def _decode_capacity(system: Disaggregated, lengths: Lengths, memory_share: float) -> float:
    """Streams a decode worker has room for."""
    check_fits(system.prefill, memory_share)
    check_fits(system.decode, memory_share)
    tokens = system.decode.kv_capacity_tokens(memory_share)
    if tokens < lengths.input_tokens + lengths.output_tokens:
        raise UsageError(
            f"a request of {lengths.input_tokens:.0f} + {lengths.output_tokens:.0f} tokens does not fit into a decode "
            f"worker's KV cache of {tokens} tokens"
        )
    return tokens / lengths.mean_context


def _read_s(model: StepModel, lengths: Lengths, chunk_tokens: int) -> float:
    """Time of a prefill worker for one prompt, prompts packed into full steps (their mean rate)."""
    tokens = max(lengths.input_tokens, float(chunk_tokens))
    step_s = model.step_s(StepLoad(0, 0, min(tokens, chunk_tokens), lengths.input_tokens / 2))
    return step_s * lengths.input_tokens / min(tokens, chunk_tokens)


def _decode(system: Disaggregated, rate: float, lengths: Lengths, capacity: float) -> tuple[float, float]:
    """TPOT and streams a worker at a request rate: more streams, longer steps, more streams."""
    accepted = system.decode.deployment.speculation.mean_tokens
    streams = 1.0
    for _ in range(_MOST_ROUNDS):
        tpot_s = system.decode.step_s(StepLoad(streams, lengths.mean_context)) / accepted
        wanted = min(capacity, rate * tpot_s * (lengths.output_tokens - 1) / system.decode_workers)
        if math.isclose(wanted, streams, rel_tol=1e-6):
            break
        streams = (streams + wanted) / 2
    return tpot_s, streams
