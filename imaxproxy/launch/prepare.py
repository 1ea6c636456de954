"""From a recipe to all that its start takes."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.launch.engine import NodePart, Place
from imaxproxy.launch.engines import engine_of, plan_of
from imaxproxy.launch.environment import engine_bin
from imaxproxy.launch.first_token import Door
from imaxproxy.launch.gpus import GpusFound, find_gpus
from imaxproxy.launch.interface import part_env
from imaxproxy.launch.launched import WARMUP_ROUNDS, Launch
from imaxproxy.launch.recipe import NO_GPU, Recipe


def prepare(
    recipe: Recipe,
    *,
    log_dir: Path,
    host: str,
    port: int,
    environment: Path | None = None,
    gpus: tuple[str, ...] = (),
    dummy_weights: bool = False,
    part: NodePart | None = None,
) -> Launch:
    """Nothing is started yet. part: this machine's, of an engine that spans several.

    Raises UsageError for what the recipe's engine cannot do, or not here.
    """
    check_launchable(recipe)
    engine = engine_of(recipe)
    pinned = pinned_gpus(recipe, gpus, os.environ)
    if pinned:
        check_gpus(recipe, pinned, find_gpus())
    place = Place(
        run_dir=log_dir.absolute(),
        bin=engine_bin(recipe.engine.name, environment),
        host=host,
        port=port,
        gpus=pinned,
        dummy_weights=dummy_weights,
        part=part and replace(part, env=part_env(part.address, os.environ)),
    )
    return Launch(
        name=recipe.name,
        engine=engine,
        plan=plan_of(recipe, place),
        door=Door(host, port, engine.client_name(recipe)),
        is_head=part is None or part.rank == 0,
        log_dir=place.run_dir,
        ready_timeout_s=recipe.readiness.timeout_s,
        warmup_rounds=engine.gpu_warmup_rounds if recipe.wanted_gpus and engine.gpu_warmup_rounds else WARMUP_ROUNDS,
    )


def check_launchable(recipe: Recipe) -> None:
    """Raises UsageError for a recipe of no engine."""
    if recipe.gpu.kind == NO_GPU:
        raise UsageError(f"recipe {recipe.name} models no hardware, so there is nothing to launch: add --simulate")


def pinned_gpus(recipe: Recipe, chosen: tuple[str, ...], environment: Mapping[str, str]) -> tuple[str, ...]:
    """The GPUs that the engine shall see, in order: the chosen ones, else the first that CUDA_VISIBLE_DEVICES leaves
    us, else the first by bus number. Raises UsageError when they are not as many as the recipe wants here."""
    wanted = recipe.gpus_per_node
    if chosen:
        if len(chosen) != wanted:
            each = " on each node" if recipe.parallel.nodes > 1 else ""
            raise UsageError(f"--engine-gpus names {len(chosen)}, and recipe {recipe.name} wants {wanted}{each}")
        return chosen
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if not visible or not wanted:
        return tuple(map(str, range(wanted)))
    left = tuple(name.strip() for name in visible.split(",") if name.strip())
    if len(left) < wanted:
        raise UsageError(
            f"CUDA_VISIBLE_DEVICES={visible} leaves {len(left)} GPUs, and recipe {recipe.name} wants {wanted}"
        )
    return left[:wanted]


def check_gpus(recipe: Recipe, pinned: tuple[str, ...], found: GpusFound) -> None:
    """Raises UsageError for GPUs that are not here: an engine finds out after its imports, or its load. Where NVML
    shows none nothing is said: a container may have CUDA without it, or GPUs of another make."""
    if not found.gpus:
        return
    indices, uuids = {str(gpu.index) for gpu in found.gpus}, [gpu.uuid for gpu in found.gpus]
    absent = [
        name
        for name in pinned
        if not name.startswith("MIG-") and name not in indices and not any(uuid.startswith(name) for uuid in uuids)
    ]
    if absent:
        here = ", ".join(f"{gpu.index} ({gpu.name})" for gpu in found.gpus)
        raise UsageError(
            f"recipe {recipe.name} wants {recipe.gpus_per_node} GPUs, and there is no GPU {', '.join(absent)} here, "
            f"only {here}: give --engine-gpus, a recipe of fewer (`imaxproxy engine list`), or add --simulate"
        )


def describe(recipe: Recipe, launch: Launch) -> dict[str, Any]:
    """What a manifest says of an engine that we launched."""
    return {
        "simulated": False,
        "recipe": recipe.name,
        "engine": recipe.engine.name,
        "model": recipe.model,
        "served_name": launch.door.model,
        "precision": recipe.precision,
        "gpu": recipe.gpu.kind if recipe.wanted_gpus else None,
        "gpus": recipe.wanted_gpus or None,
        "launched": {process.name: list(process.argv) for process in launch.plan.processes},
    }
