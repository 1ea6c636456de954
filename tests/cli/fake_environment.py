"""An environment that seems to hold an engine: its Python starts our small engine program instead."""

import shlex
import sys
from pathlib import Path

FAKE = Path(__file__).parents[1] / "launch" / "fake_engine.py"


def fake_environment(folder: Path, *arguments: object) -> Path:
    """`arguments` are the program's own; what the launcher says comes behind them."""
    python = folder / "env" / "bin" / "python3"
    python.parent.mkdir(parents=True)
    words = shlex.join([sys.executable, str(FAKE), *map(str, arguments)])
    python.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    python.chmod(0o755)
    return folder / "env"
