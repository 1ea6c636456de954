"""The two C programs, compiled when their source is newer."""

import shutil
import subprocess
from pathlib import Path

from benchmarks.paths import BUILD, HERE


def program(name: str) -> Path:
    """The path of `name`, built from `name`.c."""
    text, binary = HERE / f"{name}.c", BUILD / name
    if not binary.exists() or binary.stat().st_mtime < text.stat().st_mtime:
        if not shutil.which("gcc"):
            raise SystemExit("the benchmarks need a C compiler: apt-get install gcc libc6-dev")
        BUILD.mkdir(exist_ok=True)
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", binary, text], check=True)
    return binary
