"""The predicted Pareto curve of a deployment: one point a concurrency, by the closed form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.sim.args import SimArgs
from imaxproxy.sim.assembly import Models, disaggregated, gpus_of, load_models
from imaxproxy.sim.constants import calibrated_range, expected_error
from imaxproxy.sim.disaggregated import disaggregated_state
from imaxproxy.sim.steady import SteadyState, steady_state


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What one concurrency settles at."""

    concurrency: int
    steady: SteadyState
    gpus: int
    in_calibrated_range: bool

    def as_dict(self) -> dict[str, Any]:
        """As `imaxproxy engine predict --json` prints it."""
        steady = self.steady
        return {
            "concurrency": self.concurrency,
            "tpot_ms": steady.tpot_s * 1000,
            "ttft_ms": steady.ttft_s * 1000,
            "queued_ms": steady.queued_s * 1000,
            "tps_per_user": 1 / steady.tpot_s,
            "output_tokens_per_s_per_gpu": steady.output_tokens_per_s / self.gpus,
            "total_tokens_per_s_per_gpu": steady.total_tokens_per_s / self.gpus,
            "decoding_streams": steady.streams,
            "expected_error": expected_error(self.in_calibrated_range),
            "in_calibrated_range": self.in_calibrated_range,
        }


def predict_curve(
    args: SimArgs, concurrencies: Sequence[int], input_tokens: float, output_tokens: float
) -> list[CurvePoint]:
    """One point for each concurrency of the whole deployment. Raises UsageError for what cannot run."""
    models = load_models(args)
    if models is None:
        raise UsageError("a recipe of fixed steps models no hardware: there is nothing to predict")
    return [_point(models, args, concurrency, input_tokens, output_tokens) for concurrency in concurrencies]


def _point(models: Models, args: SimArgs, concurrency: int, input_tokens: float, output_tokens: float) -> CurvePoint:
    seen, deployment, system = calibrated_range(), models.decode.deployment, disaggregated(models, args)
    memory_share = args.gpu_memory_utilization
    if system is not None:
        steady = disaggregated_state(system, concurrency, input_tokens, output_tokens, memory_share=memory_share)
    else:
        steady = _replicated(models, args, concurrency, input_tokens, output_tokens)
    in_range = (
        deployment.in_calibrated_range()
        and system is None
        and concurrency <= seen.max_streams * args.replicas
        and input_tokens + output_tokens <= seen.max_context_tokens
    )
    return CurvePoint(concurrency, steady, gpus_of(models, args), in_range)


def _replicated(
    models: Models, args: SimArgs, concurrency: int, input_tokens: float, output_tokens: float
) -> SteadyState:
    """Replicas share the load evenly: the busiest has the ceiling, and all are taken to be like it."""
    each = -(-concurrency // args.replicas)
    steady = steady_state(
        models.decode,
        each,
        input_tokens,
        output_tokens,
        chunk_tokens=args.max_num_batched_tokens,
        memory_share=args.gpu_memory_utilization,
        max_streams=args.max_num_seqs,
    )
    share = concurrency / each
    return SteadyState(
        tpot_s=steady.tpot_s,
        ttft_s=steady.ttft_s,
        streams=steady.streams * share,
        output_tokens_per_s=steady.output_tokens_per_s * share,
        total_tokens_per_s=steady.total_tokens_per_s * share,
        queued_s=steady.queued_s,
    )
