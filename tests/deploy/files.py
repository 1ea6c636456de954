"""What lies in deploy/, and the tools that judge it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"


def run(tool: str, *arguments: object, folder: Path = DEPLOY) -> str:
    """What the tool says, both streams; it must find no fault. Skips where the tool is not installed."""
    beside = Path(sys.executable).parent / tool
    path = str(beside) if beside.exists() else shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed (scripts/test-deploy installs what it can)")
    done = subprocess.run([path, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{tool}: {done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
