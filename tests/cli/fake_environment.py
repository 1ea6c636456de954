"""An environment that seems to hold an engine: its Python starts our small engine program instead."""

import json
import platform
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

FAKE = Path(__file__).parents[1] / "launch" / "fake_engine.py"


def fake_environment(folder: Path, *arguments: object, versions: Mapping[str, str] | None = None) -> Path:
    """`arguments` are the program's own; what the launcher says comes behind them.

    Asked for its packages (as `engine check` asks, with -I), it tells `versions`.
    """
    python = folder / "env" / "bin" / "python3"
    python.parent.mkdir(parents=True)
    words = shlex.join([sys.executable, str(FAKE), *map(str, arguments)])
    answer = shlex.quote(json.dumps({"python": platform.python_version(), "versions": dict(versions or {})}))
    python.write_text(f'#!/bin/sh\n[ "$1" != -I ] || exec echo {answer}\nexec {words} "$@"\n')
    python.chmod(0o755)
    return folder / "env"
