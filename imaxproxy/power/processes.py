"""Which process answers at a port of this host, and what it and its descendants were started with. Linux's /proc."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

PROC = Path("/proc")
_LISTEN = "0A"


def listening_pids(port: int, proc: Path = PROC) -> set[int]:
    """Processes that listen on a TCP port; empty where nobody does, or where we may not look."""
    inodes = set(_listening_inodes(port, proc))
    found = set()
    for pid in _pids(proc) if inodes else ():
        with contextlib.suppress(OSError):
            for descriptor in (proc / str(pid) / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(descriptor) in inodes:
                        found.add(pid)
    return found


def family(pids: Iterable[int], proc: Path = PROC) -> set[int]:
    """The processes and all their descendants."""
    children: dict[int, list[int]] = {}
    for pid in _pids(proc):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # comm may hold blanks and parentheses: the parent is the second field after the last of them
            parent = int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(pid)
    found, waiting = set(), list(pids)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def environment(pid: int, proc: Path = PROC) -> dict[str, str]:
    """What a process was started with; empty where we may not look."""
    try:
        words = (proc / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    pairs = (word.decode(errors="replace").partition("=") for word in words if b"=" in word)
    return {name: value for name, _, value in pairs}


def _pids(proc: Path) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for path in proc.iterdir():
            if path.name.isdecimal():
                yield int(path.name)


def _listening_inodes(port: int, proc: Path) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (proc / "net" / name).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTEN and int(words[1].rpartition(":")[2], 16) == port:
                    yield f"socket:[{words[9]}]"
