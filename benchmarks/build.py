"""What is built before anything is measured: the two C programs, and imaxproxy's bytecode."""

import shutil
import subprocess
from pathlib import Path

from benchmarks.paths import BUILD, HERE, ROOT, imaxproxy


def program(name: str) -> Path:
    """The path of `name`, built from `name`.c."""
    text, binary = HERE / f"{name}.c", BUILD / name
    if not binary.exists() or binary.stat().st_mtime < text.stat().st_mtime:
        if not shutil.which("gcc"):
            raise SystemExit("the benchmarks need a C compiler: apt-get install gcc libc6-dev")
        BUILD.mkdir(exist_ok=True)
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", binary, text], check=True)
    return binary


def bytecode() -> None:
    """As pip leaves it when it installs a package.

    A checkout may have none (PYTHONDONTWRITEBYTECODE): each start would compile all modules, for 0.25 s of CPU.
    """
    python = Path(imaxproxy()).parent / "python"
    if python.exists() and (ROOT / "imaxproxy").is_dir():
        subprocess.run([python, "-m", "compileall", "-q", ROOT / "imaxproxy"], check=True)
