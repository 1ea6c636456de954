"""Where the benchmarks keep what they build, download and write; all of it is ignored by git."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = HERE / "build"
RUNS = BUILD / "runs"
CACHE = ROOT / ".cache"


class Unavailable(Exception):
    """A contestant that cannot take part; the message is the reason that the table prints."""


def imaxproxy() -> str:
    """The command under test: $IMAXPROXY, else the one beside this interpreter, else the checkout's .venv."""
    named = os.environ.get("IMAXPROXY")
    for path in [named] if named else [Path(sys.executable).parent / "imaxproxy", ROOT / ".venv/bin/imaxproxy"]:
        if os.access(path, os.X_OK):
            return str(path)
    raise Unavailable("no imaxproxy command found; install the package or set IMAXPROXY")


def installed(command: str, package: str) -> str:
    """The command, its Debian package installed if it is missing. Raises Unavailable when that cannot be."""
    if not shutil.which(command):
        install = ["apt-get", "install", "-y", "--no-install-recommends", package]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"apt-get install {package}: {done.stderr.strip().splitlines()[-1:]}")
    return command


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
