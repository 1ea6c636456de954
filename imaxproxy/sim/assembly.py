"""Puts the simulated engine together from its flags, and describes what came out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imaxproxy.clock import NS_PER_S
from imaxproxy.economics import load_gpu
from imaxproxy.errors import UsageError
from imaxproxy.sim.architecture import Architecture, load_architecture
from imaxproxy.sim.args import SimArgs
from imaxproxy.sim.constants import constants_sha256, expected_error, model_version
from imaxproxy.sim.deployment import Deployment
from imaxproxy.sim.disaggregated import Disaggregated
from imaxproxy.sim.huggingface import read_config
from imaxproxy.sim.kv import BlockPool
from imaxproxy.sim.pace import FixedPace, ModelPace, Pace, ScaledPace
from imaxproxy.sim.reply import ReplyShape
from imaxproxy.sim.request import Limits
from imaxproxy.sim.scheduler import Scheduler
from imaxproxy.sim.steady import check_fits
from imaxproxy.sim.step import StepModel

_FIXED_KV_TOKENS = 1 << 40
_FIXED_CONTEXT_TOKENS = 1 << 20


@dataclass(frozen=True, slots=True)
class Models:
    """What prices the steps: of the engines, or of decode workers and of the prefill workers beside them."""

    decode: StepModel
    prefill: StepModel | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """A scheduler with the price of its steps."""

    scheduler: Scheduler
    pace: Pace


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of one simulated deployment, without clock and sockets."""

    workers: list[Worker]
    """Replicas, or decode workers."""
    prefill_workers: list[Worker]
    transfer_ns_per_token: float
    """Between a prefill worker and a decode worker."""
    limits: Limits
    shape: ReplyShape
    prefix_block_tokens: int
    """0 when prefixes are not cached."""
    described: dict[str, Any]


def assemble(args: SimArgs) -> Assembly:
    """Build the parts. Raises UsageError when the model does not fit or a flag makes no sense."""
    models = load_models(args)
    kv_tokens = _kv_tokens(models.decode, args) if models else _FIXED_KV_TOKENS
    context_tokens = args.context_tokens or (
        models.decode.deployment.architecture.context_tokens if models else _FIXED_CONTEXT_TOKENS
    )
    room_tokens = kv_tokens // args.block_size * args.block_size
    workers = args.decode_workers or args.replicas
    return Assembly(
        workers=[_worker(models.decode if models else None, args, kv_tokens) for _ in range(workers)],
        prefill_workers=[
            _worker(models.prefill, args, _kv_tokens(models.prefill, args))
            for _ in range(args.prefill_workers)
            if models and models.prefill
        ],
        transfer_ns_per_token=_transfer_ns_per_token(models, args),
        limits=Limits(args.model, context_tokens, room_tokens, args.default_output_tokens, args.tokenization),
        shape=ReplyShape(
            args.tokens_per_event,
            args.reasoning_share,
            args.reasoning_field,
            args.usage,
            args.role,
            args.early_stop,
        ),
        prefix_block_tokens=args.block_size if args.prefix_caching else 0,
        described={
            "simulated": True,
            "recipe": args.recipe,
            "model": args.model,
            **(_modelled(models, args, kv_tokens) if models else _fixed()),
            "fixed_step_ms": args.fixed_step_ms,
            "fixed_ttft_ms": args.fixed_ttft_ms,
            "tokens_per_event": args.tokens_per_event,
            "prefix_caching": args.prefix_caching,
            "time_scale": args.time_scale,
            "seed": args.seed,
            "model_version": model_version(),
            "constants_sha256": constants_sha256(),
        },
    )


def load_models(args: SimArgs) -> Models | None:
    """The step models, checked to fit; None for an engine of fixed steps."""
    if args.fixed_step_ms is not None:
        return None
    shape = _shape(args.model)
    models = Models(StepModel(_decode_deployment(args, shape)))
    if args.prefill_workers:
        models = Models(models.decode, StepModel(_prefill_deployment(args, shape)))
    for model in (models.decode, models.prefill):
        if model is not None:
            check_fits(model, args.gpu_memory_utilization)
    return models


def disaggregated(models: Models | None, args: SimArgs) -> Disaggregated | None:
    """The system of two kinds of workers; None where there is one kind."""
    if models is None or models.prefill is None:
        return None
    link = args.kv_transfer_gb_per_s * 1e9 if args.kv_transfer_gb_per_s else None
    return Disaggregated(models.prefill, args.prefill_workers, models.decode, args.decode_workers, link)


def gpus_of(models: Models, args: SimArgs) -> int:
    """GPUs of all workers."""
    system = disaggregated(models, args)
    return system.gpus if system else models.decode.deployment.gpus * args.replicas


def _worker(model: StepModel | None, args: SimArgs, kv_tokens: int) -> Worker:
    pool = BlockPool(kv_tokens // args.block_size, args.block_size)
    scheduler = Scheduler(pool, args.max_num_seqs, args.max_num_batched_tokens, args.speculation, args.seed)
    pace: Pace = ModelPace(model) if model else FixedPace(args.fixed_step_ms or 0, args.fixed_ttft_ms or 0)
    return Worker(scheduler, pace if args.time_scale == 1 else ScaledPace(pace, args.time_scale))


def _transfer_ns_per_token(models: Models | None, args: SimArgs) -> float:
    system = disaggregated(models, args)
    return system.transfer_s(1) * NS_PER_S / args.time_scale if system else 0.0


def _shape(model: str) -> Architecture:
    """By name; what ends in .json or has a config.json is a file of the user's."""
    path = Path(model)
    return read_config(path) if path.suffix == ".json" or (path / "config.json").is_file() else load_architecture(model)


def _decode_deployment(args: SimArgs, shape: Architecture) -> Deployment:
    return Deployment(
        architecture=shape,
        gpu=load_gpu(args.gpu),
        engine=args.engine,
        precision=args.precision,
        tp=args.tp,
        ep=args.ep,
        dp_attention=args.dp_attention,
        vintage=args.vintage,
        speculation=args.speculation,
        kv_precision=args.kv_precision,
        batch_wait_steps=args.batch_wait_steps,
    )


def _prefill_deployment(args: SimArgs, shape: Architecture) -> Deployment:
    return Deployment(
        architecture=shape,
        gpu=load_gpu(args.gpu),
        engine=args.engine,
        precision=args.precision,
        tp=args.prefill_tp,
        ep=args.prefill_ep,
        dp_attention=args.prefill_dp_attention,
        vintage=args.vintage,
        kv_precision=args.kv_precision,
        batch_wait_steps=args.batch_wait_steps,
    )


def _kv_tokens(model: StepModel, args: SimArgs) -> int:
    tokens = model.kv_capacity_tokens(args.gpu_memory_utilization)
    if tokens < args.block_size:
        raise UsageError(f"{args.model}: the KV cache has room for {tokens} tokens, less than one block; raise --tp")
    return tokens


def _modelled(models: Models, args: SimArgs, kv_tokens: int) -> dict[str, Any]:
    deployment, system = models.decode.deployment, disaggregated(models, args)
    in_range = deployment.in_calibrated_range() and system is None
    return {
        "gpu": deployment.gpu.kind,
        "gpus": gpus_of(models, args),
        "engine": deployment.engine,
        "precision": deployment.precision,
        "tp": deployment.tp,
        "ep": deployment.ep,
        "dp_attention": deployment.dp_attention,
        "replicas": args.replicas,
        "disaggregated": f"{args.prefill_workers}P{args.decode_workers}D" if system else None,
        "draft_tokens": deployment.speculation.draft_tokens or None,
        "acceptance_length": deployment.speculation.mean_tokens if deployment.speculation.draft_tokens else None,
        "vintage": deployment.vintage,
        "kv_capacity_tokens": kv_tokens,
        "expected_error": expected_error(in_range),
        "in_calibrated_range": in_range,
    }


def _fixed() -> dict[str, Any]:
    """A fixed step models no hardware: nothing to say about it, nothing to be wrong about."""
    names = ("gpu", "gpus", "engine", "precision", "tp", "ep", "dp_attention", "vintage", "kv_capacity_tokens")
    return {**dict.fromkeys(names), "expected_error": None, "in_calibrated_range": None}
