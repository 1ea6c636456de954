"""Where an engine is installed: an environment of its own, or whatever PATH has."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from imaxproxy.errors import UsageError

_PROGRAMS = {
    "vllm": "vllm",
    "sglang": "sglang",
    "trtllm": "trtllm-serve",
    "dynamo": "python3",  # it has no program of its own: the Python of an activated environment
    "llamacpp": "llama-server",
    "transformers": "transformers",
}
"""What lies in the folder of an engine's programs, by the engine's name."""

_OURS_ALONE = frozenset({"PYTHONWARNINGS", "PYTHONDEVMODE", "PYTHONHOME", "PYTHONASYNCIODEBUG", "PYTHONTRACEMALLOC"})
"""Variables that mean our interpreter: with PYTHONWARNINGS=error no engine starts."""


def for_engines(ours: Mapping[str, str]) -> dict[str, str]:
    """What an engine's processes inherit of our environment; a recipe's [engine.env] may put anything back."""
    return {name: value for name, value in ours.items() if name not in _OURS_ALONE}


def engine_bin(engine: str, environment: Path | None, path: str | None = None) -> Path:
    """The folder of the engine's programs.

    environment: a virtual environment or its bin folder, as the user gave it.  path: as in PATH, ours if not given.
    Without one: where PATH has the engine's program, else beside our own interpreter. Raises UsageError for a folder
    that holds no programs.
    """
    if environment is None:
        found = shutil.which(_PROGRAMS[engine], path=path)
        return Path(found).parent if found else Path(sys.executable).parent
    for folder in (environment / "bin", environment):
        if any((folder / name).exists() for name in ("python3", "python", _PROGRAMS[engine])):
            return folder.absolute()
    raise UsageError(f"{environment} is no environment: it holds neither bin/python nor {_PROGRAMS[engine]}")
