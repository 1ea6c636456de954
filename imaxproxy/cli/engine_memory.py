"""What a recipe would cost in GPU memory, by the simulator's formulas: weights, KV a token, what is left for KV."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.launch import Needs, Recipe, model_engine, simulated_argv, stated_limits


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one GPU of an instance, unless it says otherwise. Computed, not measured: expect some percent."""

    role: str
    """"engine", or which worker of a disaggregated one."""
    gpus: int
    """Of the instance."""
    gpu_bytes: float
    weight_bytes: float
    activation_bytes: float
    """What the formulas set aside for activations, graphs and buffers."""
    kv_room_bytes: float
    kv_bytes_per_token: float
    """Of the whole instance: a token of context over all layers."""
    kv_tokens: int
    """Of context that fit into the instance together."""

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def memory_of(recipe: Recipe) -> list[Memory]:
    """One for each kind of worker. Raises UsageError that says why nothing is known, or that it does not fit."""
    from imaxproxy.sim import load_models, parse_args

    if recipe.gpu.count == 0:
        raise UsageError("it runs on no GPU")
    args = parse_args(simulated_argv(_shaped_by_its_files(recipe)))
    models = load_models(args)
    if models is None:
        raise UsageError("its steps are fixed: it models no memory")
    share = args.gpu_memory_utilization
    if models.prefill is None:
        return [_memory("engine", models.decode, share)]
    return [_memory("prefill worker", models.prefill, share), _memory("decode worker", models.decode, share)]


def needs_of(recipe: Recipe) -> Needs:
    """For `engine check`: what the weights take, where the model's shape is known."""
    from imaxproxy.sim import StepModel

    try:
        memory = memory_of(recipe)
        deployment = _decode_deployment(recipe)
    except UsageError:
        return Needs()
    whole = StepModel(replace(deployment, tp=1, ep=1, dp_attention=False))
    return Needs(
        weight_bytes=whole.weight_bytes_per_gpu(),
        weight_bytes_per_gpu=max(one.weight_bytes for one in memory),
    )


def fraction_says(recipe: Recipe) -> str | None:
    """What the engine's memory fraction is, and of what."""
    memory = model_engine(recipe).memory
    if memory is None or not recipe.gpu.count:
        return None
    stated = stated_limits(recipe).memory_fraction
    whose = "limits.memory_fraction" if stated else "the engine's default"
    return f"{stated or memory.default:g} of {_OF[memory.of]} ({whose})"


_OF = {
    "total": "the GPU's memory, for all together",
    "weights and KV of total": "the GPU's memory, for weights and KV",
    "free after weights": "what the weights leave free, for KV",
}


def _decode_deployment(recipe: Recipe) -> Any:  # noqa: ANN401 (sim's Deployment, imported late)
    from imaxproxy.sim import load_models, parse_args

    models = load_models(parse_args(simulated_argv(_shaped_by_its_files(recipe))))
    if models is None:
        raise UsageError("its steps are fixed: it models no memory")
    return models.decode.deployment


def _shaped_by_its_files(recipe: Recipe) -> Recipe:
    """A model whose config.json lies here is known by that."""
    return replace(recipe, model=recipe.load_from) if (Path(recipe.load_from) / "config.json").is_file() else recipe


def _memory(role: str, model: Any, share: float) -> Memory:  # noqa: ANN401 (sim's StepModel, imported late)
    deployment = model.deployment
    return Memory(
        role=role,
        gpus=deployment.gpus,
        gpu_bytes=deployment.gpu.hbm_bytes,
        weight_bytes=model.weight_bytes_per_gpu(),
        activation_bytes=model.constants.fixed_memory_bytes,
        kv_room_bytes=model.kv_room_bytes(share),
        kv_bytes_per_token=model.kv_bytes_per_token(),
        kv_tokens=model.kv_capacity_tokens(share),
    )
