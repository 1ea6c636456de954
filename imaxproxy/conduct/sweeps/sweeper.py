"""A place on a cluster's node that plays points of a sweep: the actor that `sweep --ray` puts there. Imports no Ray."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imaxproxy.cluster import FileFacts, NodeFiles
from imaxproxy.conduct.sweeps.process import PointProcess
from imaxproxy.errors import ImaxproxyError
from imaxproxy.traces import trace_sha256

_RUN = "run"


@dataclass(frozen=True, slots=True)
class PointJob:
    """A point as it travels: what of its flags are files stands for itself."""

    argv: tuple[str, ...]
    """Of `replay`, without --out."""
    number: int
    """Which repeat it is, from 0."""
    name: str
    """Of its variant."""
    mode: str


@dataclass(frozen=True, slots=True)
class PointAnswer:
    """What became of it."""

    error: str | None
    files: tuple[FileFacts, ...]
    """Of its run directory, as far as it came."""


class RaySweeper:
    """Its methods are the actor's. It plays one point at a time; `stop` may come meanwhile."""

    def __init__(self) -> None:
        self._files = NodeFiles("imaxproxy-sweep-")
        self._process = PointProcess()
        self._points = 0

    def __repr__(self) -> str:
        return "<RaySweeper>"

    def has(self, path: str, sha256: str) -> bool:
        """The same file lies here at the same place."""
        try:
            return trace_sha256(path) == sha256
        except (ImaxproxyError, OSError):
            return False

    def take(self, name: str, piece: bytes) -> str:
        """A piece of a file that the command ships; where the file lies."""
        self._files.write(name, piece)
        return str(self._files.folder / name)

    def play(self, job: PointJob) -> PointAnswer:
        """Play it to its end."""
        self._points += 1
        run = self._files.folder / _RUN / str(self._points)
        variant = {"name": job.name, "mode": job.mode, "log": str(self._files.folder / "engines")}
        error = None
        try:
            self._process.send({"argv": [*job.argv, "--out", str(run)], "number": job.number, "variant": variant})
        except ImaxproxyError as why:
            error = str(why)
        return PointAnswer(error, tuple(self._facts(run)))

    def read(self, name: str, from_byte: int) -> bytes:
        """A piece of one of its files."""
        return self._files.read(name, from_byte)

    def close(self) -> None:
        """Let the engine end, and leave nothing behind."""
        self._process.close()
        self._files.remove()

    def stop(self) -> None:
        """End what runs at once, and leave nothing behind."""
        self._process.kill()
        self._files.remove()

    def _facts(self, run: Path) -> Sequence[FileFacts]:
        found = sorted(path for path in run.rglob("*") if path.is_file()) if run.is_dir() else []
        return [FileFacts.of(self._files.folder, path) for path in found]


def name_of(path: Path, sha256: str) -> str:
    """What a shipped file or folder is called on a node: its own name, in a folder of its content's."""
    return f"shipped/{hashlib.sha256(sha256.encode()).hexdigest()[:16]}/{path.name}"
