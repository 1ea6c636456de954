"""Builds the C part of the hot path (`imaxproxy/wire/csrc`) into the wheel, where that can be.

It can on Linux with a C compiler (`$CC`, else cc) and Python's headers. Elsewhere the wheel is pure Python: the build
says so, and so does the command when it runs. The part keeps to Python's stable ABI: one wheel for 3.11 and later.
"""

import os
import shlex
import subprocess
import sys
import sysconfig
import zlib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = "imaxproxy/wire/csrc"
BUILT = "imaxproxy/wire/_splice.abi3.so"
FLAGS = "-std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -fPIC -fvisibility=hidden -shared -pthread"


class BuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling's name for it; see [tool.hatch.build.targets.wheel.hooks.custom]."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        why_not = build(root)
        if why_not is not None:
            (root / BUILT).unlink(missing_ok=True)  # one of an older source would be worse than none
            self.app.display_warning(f"imaxproxy is built without its C part, slower but complete: {why_not}")
            return
        build_data["pure_python"] = False
        build_data["artifacts"].append(BUILT)
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"cp311-abi3-{platform}"


def build(root: Path) -> str | None:
    """Compile; None when that went well, else why not, in a line."""
    if sys.platform != "linux":
        return "it needs Linux's epoll"
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        return f"no Python.h in {headers}: install Python's headers (Debian: python3-dev)"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    sources = sorted((root / SOURCES).glob("*.c"))
    beside = root / f"{BUILT}.part"
    known_by = f"-DSOURCES_CRC={sources_crc(root / SOURCES)}u"
    command = [*compiler, *FLAGS.split(), known_by, f"-I{headers}", *map(str, sources), "-o", str(beside)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"no C compiler: {compiler[0]}: {error.strerror}"
    if done.returncode != 0:
        return f"{shlex.join(command)} failed: {done.stderr.strip()[-2000:]}"
    beside.replace(root / BUILT)
    return None


def sources_crc(folder: Path) -> int:
    """By which `wire/splice.py` knows a part that was built from other sources than lie beside it."""
    crc = 0
    for path in sorted(folder.glob("*.[ch]")):
        crc = zlib.crc32(path.read_bytes(), crc)
    return crc
