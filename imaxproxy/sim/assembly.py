"""Puts the simulated engine together from its flags, and describes what came out."""

from dataclasses import dataclass
from typing import Any

from imaxproxy.economics import load_gpu
from imaxproxy.errors import UsageError
from imaxproxy.sim.architecture import load_architecture
from imaxproxy.sim.args import SimArgs
from imaxproxy.sim.constants import constants_sha256, expected_error, model_version
from imaxproxy.sim.deployment import Deployment
from imaxproxy.sim.kv import BlockPool
from imaxproxy.sim.pace import FixedPace, ModelPace, Pace
from imaxproxy.sim.reply import ReplyShape
from imaxproxy.sim.request import Limits
from imaxproxy.sim.scheduler import Scheduler
from imaxproxy.sim.step import StepModel

_FIXED_KV_TOKENS = 1 << 40
_FIXED_CONTEXT_TOKENS = 1 << 20


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of one simulated engine, without clock and sockets."""

    pace: Pace
    scheduler: Scheduler
    limits: Limits
    shape: ReplyShape
    prefix_block_tokens: int
    """0 when prefixes are not cached."""
    described: dict[str, Any]


def assemble(args: SimArgs) -> Assembly:
    """Build the parts. Raises UsageError when the model does not fit or a flag makes no sense."""
    model = None if args.fixed_step_ms is not None else StepModel(_deployment(args))
    kv_tokens = _kv_tokens(model, args)
    pool = BlockPool(kv_tokens // args.block_size, args.block_size)
    context_tokens = args.context_tokens or (
        model.deployment.architecture.context_tokens if model else _FIXED_CONTEXT_TOKENS
    )
    return Assembly(
        pace=ModelPace(model) if model else FixedPace(args.fixed_step_ms or 0, args.fixed_ttft_ms or 0),
        scheduler=Scheduler(pool, args.max_num_seqs, args.max_num_batched_tokens),
        limits=Limits(args.model, context_tokens, pool.blocks * pool.block_tokens, args.default_output_tokens),
        shape=ReplyShape(args.tokens_per_event, args.reasoning_share, args.reasoning_field),
        prefix_block_tokens=args.block_size if args.prefix_caching else 0,
        described={
            "simulated": True,
            "recipe": args.recipe,
            "model": args.model,
            **(_modelled(model.deployment, kv_tokens) if model else _fixed()),
            "fixed_step_ms": args.fixed_step_ms,
            "fixed_ttft_ms": args.fixed_ttft_ms,
            "tokens_per_event": args.tokens_per_event,
            "prefix_caching": args.prefix_caching,
            "model_version": model_version(),
            "constants_sha256": constants_sha256(),
        },
    )


def _deployment(args: SimArgs) -> Deployment:
    return Deployment(
        architecture=load_architecture(args.model),
        gpu=load_gpu(args.gpu),
        engine=args.engine,
        precision=args.precision,
        tp=args.tp,
        ep=args.ep,
        dp_attention=args.dp_attention,
        vintage=args.vintage,
    )


def _kv_tokens(model: StepModel | None, args: SimArgs) -> int:
    if model is None:
        return _FIXED_KV_TOKENS
    tokens = model.kv_capacity_tokens(args.gpu_memory_utilization)
    if tokens < args.block_size:
        deployment = model.deployment
        raise UsageError(
            f"{args.model} does not fit: {model.weight_bytes_per_gpu() / 1e9:.0f} GB of weights a GPU on "
            f"{deployment.gpus} {deployment.gpu.name} with {deployment.gpu.hbm_bytes / 1e9:.0f} GB; raise --tp"
        )
    return tokens


def _modelled(deployment: Deployment, kv_tokens: int) -> dict[str, Any]:
    in_range = deployment.in_calibrated_range()
    return {
        "gpu": deployment.gpu.kind,
        "gpus": deployment.gpus,
        "engine": deployment.engine,
        "precision": deployment.precision,
        "tp": deployment.tp,
        "ep": deployment.ep,
        "dp_attention": deployment.dp_attention,
        "vintage": deployment.vintage,
        "kv_capacity_tokens": kv_tokens,
        "expected_error": expected_error(in_range),
        "in_calibrated_range": in_range,
    }


def _fixed() -> dict[str, Any]:
    """A fixed step models no hardware: nothing to say about it, nothing to be wrong about."""
    names = ("gpu", "gpus", "engine", "precision", "tp", "ep", "dp_attention", "vintage", "kv_capacity_tokens")
    return {**dict.fromkeys(names), "expected_error": None, "in_calibrated_range": None}
