"""What this machine has for a recipe: asked once, before anything is judged."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imaxproxy.launch.checkpoint import CheckpointFound, find_in_hub, find_path, hub_folder
from imaxproxy.launch.engines import engine_of, model_engine
from imaxproxy.launch.gpus import GpusFound, find_gpus
from imaxproxy.launch.installed import Installed, ask_program, ask_python
from imaxproxy.launch.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a recipe costs in memory, from whoever can compute it; None where nobody can."""

    weight_bytes: float | None = None
    """Of all GPUs together, which is also about what the checkpoint is on disk."""
    weight_bytes_per_gpu: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The machine, as it is now."""

    gpus: GpusFound
    chosen: tuple[str, ...] | None
    """The GPUs that the engine may see, indices or UUIDs; None: all."""
    bin: Path
    """The folder of the engine's programs."""
    installed: Installed
    checkpoint: CheckpointFound
    drafter: CheckpointFound | None
    hub: Path
    """Hugging Face's cache."""
    hub_free_bytes: int
    port: int
    port_error: str | None
    """Why nobody can listen there; None: it is free."""


def gather(
    recipe: Recipe,
    *,
    bin: Path,
    environment: Mapping[str, str],
    home: Path,
    chosen: tuple[str, ...] | None,
    port: int,
    port_error: str | None,
    dummy_weights: bool,
) -> Facts:
    """Look at GPUs, the engine's environment, the model's files and the disk. Starts no engine, loads no model."""
    hub = hub_folder(environment, home)
    weights = not (dummy_weights or recipe.weights == "dummy") and recipe.engine.backend != "mocker"
    drafter = recipe.speculation.model if recipe.speculation else None
    return Facts(
        gpus=find_gpus(),
        chosen=chosen,
        bin=bin,
        installed=_installed(recipe, bin),
        checkpoint=_model(recipe.model, recipe.load_from if recipe.model_path else None, hub, weights=weights),
        drafter=_model(drafter, None, hub, weights=weights) if drafter else None,
        hub=hub,
        hub_free_bytes=shutil.disk_usage(_existing(hub)).free,
        port=port,
        port_error=port_error,
    )


def package_of(recipe: Recipe) -> str:
    """What pip installs for this recipe, and whose version counts."""
    return recipe.engine.package or engine_of(recipe).package


def workers_package(recipe: Recipe) -> str | None:
    """What Dynamo's workers run, where that is an engine of its own."""
    engine = model_engine(recipe)
    return engine.package if engine is not engine_of(recipe) else None


def _installed(recipe: Recipe, bin: Path) -> Installed:
    if recipe.engine.name == "llamacpp":
        return ask_program(bin / "llama-server")
    python3 = bin / "python3"
    packages = [name for name in (package_of(recipe), workers_package(recipe)) if name]
    return ask_python(python3 if python3.exists() else bin / "python", packages)


def _model(model: str, path: str | None, hub: Path, *, weights: bool) -> CheckpointFound:
    """A drafter or a model that is a path itself is looked for there."""
    if path is not None:
        return find_path(Path(path), weights=weights)
    if model.startswith(("/", "./", "~")):
        return find_path(Path(model).expanduser(), weights=weights)
    return find_in_hub(model, hub, weights=weights)


def _existing(path: Path) -> Path:
    """The folder itself, or the nearest above it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
