"""Is a model here: a folder of one's own, a GGUF file, or Hugging Face's cache."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CheckpointFound:
    """What was found of a model."""

    path: Path | None
    """The folder or file that an engine would load; None when there is none."""
    bytes: int = 0
    """Of its weights."""
    lacks: str | None = None
    """What is missing; None when all is there."""


def find_path(path: Path, *, weights: bool) -> CheckpointFound:
    """A folder or a GGUF file that a recipe names. Random `weights` need only its config and tokenizer."""
    if path.suffix == ".gguf":
        return CheckpointFound(path, path.stat().st_size) if path.is_file() else CheckpointFound(None, lacks=str(path))
    if not path.is_dir():
        return CheckpointFound(None, lacks=f"folder {path}")
    return _folder(path, weights=weights)


def find_in_hub(model: str, hub: Path, *, weights: bool) -> CheckpointFound:
    """A model of Hugging Face's cache by its id."""
    home = hub / f"models--{model.replace('/', '--')}"
    if not home.is_dir():
        return CheckpointFound(None, lacks=f"{model} in {hub}")
    if weights and any(home.glob("blobs/*.incomplete")):
        return CheckpointFound(None, lacks=f"a part of {model}: its download was broken off")
    reference = home / "refs" / "main"
    commit = reference.read_text("utf-8").strip() if reference.is_file() else ""
    snapshots = sorted((home / "snapshots").glob("*"), key=lambda path: path.name != commit)
    if not snapshots:
        return CheckpointFound(None, lacks=f"{model} in {hub}")
    return _folder(snapshots[0], weights=weights)


def hub_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Hugging Face's cache, as huggingface_hub finds it."""
    if environment.get("HF_HUB_CACHE"):
        return Path(environment["HF_HUB_CACHE"]).expanduser()
    if environment.get("HF_HOME"):
        return Path(environment["HF_HOME"]).expanduser() / "hub"
    cache = environment.get("XDG_CACHE_HOME")
    return (Path(cache).expanduser() if cache else home / ".cache") / "huggingface" / "hub"


def _folder(path: Path, *, weights: bool) -> CheckpointFound:
    if not (path / "config.json").is_file():
        return CheckpointFound(None, lacks=f"config.json in {path}")
    if not weights:
        return CheckpointFound(path)
    wanted = _wanted_shards(path)
    absent = [name for name in wanted if not (path / name).is_file()]
    if absent:
        return CheckpointFound(
            None, lacks=f"{len(absent)} of {len(wanted)} files of weights in {path}: {absent[0]}, .."
        )
    found = [path / name for name in wanted] or [*path.glob("*.safetensors"), *path.glob("*.bin")]
    if not found:
        return CheckpointFound(None, lacks=f"weights (*.safetensors) in {path}; --dummy-weights needs none")
    return CheckpointFound(path, sum(file.stat().st_size for file in found))


def _wanted_shards(path: Path) -> list[str]:
    """The files that the index lists, if there is one."""
    index = path / "model.safetensors.index.json"
    try:
        return sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, AttributeError, UnicodeDecodeError):
        return [f"{index.name} (unreadable)"]
