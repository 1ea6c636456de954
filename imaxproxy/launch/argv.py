"""A recipe's flags as command-line arguments, and its limits as flags."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.launch.limits import limit_flags
from imaxproxy.launch.recipe import Recipe


def no_form(name: str) -> list[str]:
    """How vLLM, Dynamo and transformers switch off: --no-<name>."""
    return [f"--no-{name}"]


def left_out(_name: str) -> list[str]:
    """How SGLang and TensorRT-LLM do: by not switching on."""
    return []


def flag_argv(flags: Mapping[str, Any], off: Callable[[str], list[str]] = no_form) -> list[str]:
    """Flags in the order of the recipe: a table becomes JSON, a list several values, false what `off` says."""
    argv: list[str] = []
    for name, value in flags.items():
        if value is True:
            argv.append(f"--{name}")
        elif value is False:
            argv += off(name)
        elif isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value)):
            argv += [f"--{name}", json.dumps(value, separators=(",", ":"))]
        elif isinstance(value, list):
            argv += [f"--{name}", *map(str, value)]
        else:
            argv += [f"--{name}", str(value)]
    return argv


def limits_as_flags(recipe: Recipe) -> dict[str, Any]:
    """The stated [limits] by the engine's own names; those of an options file (with a dot) are not among them."""
    called = limit_flags(recipe.engine.name, recipe.engine.backend)
    flags: dict[str, Any] = {}
    for limit, value in asdict(recipe.limits).items():
        if value is None or "." in called[limit]:
            continue
        name = called[limit]
        flags[name.lstrip("!")] = not value if name.startswith("!") else value
    return flags


def shell_form(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """What to paste into a shell: variables first, an argument and its values a line."""
    lines = [shlex.join([f"{name}={value}"]) if value else f"{name}=" for name, value in env.items()]
    words: list[str] = []
    for word in argv:
        if word.startswith("--") or not words:
            words.append(shlex.quote(word))
        else:
            words[-1] += f" {shlex.quote(word)}"
    return " \\\n  ".join(["env", *lines, *words] if lines else words)


def refuse(recipe: Recipe, field: str, says: str) -> UsageError:
    """An error about a field that this engine cannot follow."""
    return UsageError(f"recipe {recipe.name} ({recipe.path}): {field}: {says}")


def wants_dummy(recipe: Recipe, asked: bool) -> bool:
    """Random weights: as the command asks, or the recipe says."""
    return asked or recipe.weights == "dummy"


def common_env(recipe: Recipe, gpus: Sequence[str]) -> dict[str, str]:
    """Variables that every engine gets: its log at once, no telemetry, our GPUs, no hub for a model that lies here."""
    env = {"PYTHONUNBUFFERED": "1", "DO_NOT_TRACK": "1"}
    if recipe.model_path:
        env["HF_HUB_OFFLINE"] = "1"
    if gpus:
        env |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(gpus)}
    return env
