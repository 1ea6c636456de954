"""What is installed where an engine runs: asked of that environment's own Python, never imported here."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_TIMEOUT_S = 30.0
_ASK = """
import importlib.metadata as metadata, json, platform, sys
versions = {}
for name in sys.argv[1:]:
    try:
        versions[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        versions[name] = None
print(json.dumps({"python": platform.python_version(), "versions": versions}))
"""
CUDA_RUNTIMES = ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime-cu11")
"""The wheels that bring CUDA with them; the newest has no number in its name."""


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment's answer."""

    python: str | None = None
    """Its version; None when the environment did not answer."""
    versions: dict[str, str | None] = field(default_factory=dict)
    why: str | None = None
    """Why it did not."""

    @property
    def cuda_major(self) -> int | None:
        """Of the CUDA that its wheels bring; None when they bring none (a container's own, a CPU build)."""
        found = next((version for name in CUDA_RUNTIMES if (version := self.versions.get(name))), None)
        return int(found.split(".")[0]) if found else None


def ask_python(python: Path, packages: Sequence[str]) -> Installed:
    """The versions of these packages there. An interpreter that is missing or broken is an answer too."""
    argv = [str(python), "-I", "-c", _ASK, *packages, *CUDA_RUNTIMES]
    try:
        answer = subprocess.run(argv, capture_output=True, timeout=_TIMEOUT_S, check=True, stdin=subprocess.DEVNULL)
        said = json.loads(answer.stdout)
        return Installed(said["python"], said["versions"])
    except FileNotFoundError:
        return Installed(why=f"there is no {python}")
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        return Installed(why=f"{python} does not answer: {type(error).__name__}")


def ask_program(program: Path) -> Installed:
    """Of a program that is no Python package: what it says to --version (llama-server: on stderr)."""
    try:
        answer = subprocess.run(
            [str(program), "--version"], capture_output=True, timeout=_TIMEOUT_S, check=True, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        return Installed(why=f"there is no {program}")
    except (OSError, subprocess.SubprocessError) as error:
        return Installed(why=f"{program} does not answer: {type(error).__name__}")
    lines = (answer.stdout + b"\n" + answer.stderr).decode("utf-8", "replace").splitlines()
    said = next((line for line in lines if "version" in line.lower()), "no version")
    return Installed(python=None, versions={program.name: said.strip()})
