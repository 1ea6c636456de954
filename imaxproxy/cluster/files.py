"""Files to a node and from it, in pieces through Ray's object store: never more than some pieces in memory."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imaxproxy.errors import ImaxproxyError

PIECE_BYTES = 8 << 20
_AHEAD = 2
"""Pieces asked for before the first is written."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file on a node."""

    name: str
    """Its path in the node's folder."""
    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, folder: Path, path: Path) -> "FileFacts":
        """Read it once."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(str(path.relative_to(folder)), path.stat().st_size, digest)


class NodeFiles:
    """A folder of its own on a node; what an actor there offers of it."""

    def __init__(self, prefix: str, below: str | None = None) -> None:
        """below: where it is made; None: where the system keeps what is temporary."""
        self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=below))

    def write(self, name: str, piece: bytes) -> None:
        """Append a piece to a file."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(piece)

    def read(self, name: str, from_byte: int) -> bytes:
        """A piece of a file."""
        with self._path(name).open("rb") as file:
            file.seek(from_byte)
            return file.read(PIECE_BYTES)

    def facts(self) -> list[FileFacts]:
        """Of all files in it."""
        return [FileFacts.of(self.folder, path) for path in sorted(self.folder.rglob("*")) if path.is_file()]

    def remove(self) -> None:
        """The folder, with all in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise ValueError(f"{name} leads out of {self.folder}")
        return path


def ship(ray: Any, write: Callable[[str, Any], Any], files: list[tuple[str, Path]]) -> None:  # noqa: ANN401
    """Send files to a node. write: `(name, piece) -> reference`, the actor's method. Each piece waits for the last."""
    for name, path in files:
        with path.open("rb") as file:
            piece = file.read(PIECE_BYTES)
            while True:
                ray.get(write(name, piece))
                piece = file.read(PIECE_BYTES)
                if not piece:
                    break


def fetch(ray: Any, read: Callable[[str, int], Any], facts: FileFacts, to: Path) -> None:  # noqa: ANN401
    """Copy a node's file to here, whole or not at all. read: `(name, from_byte) -> reference`, the actor's method.

    Raises ImaxproxyError when what came is not what the node has; Ray's errors when the node is lost.
    """
    beside = to.with_name(f"{to.name}.part")
    digest = hashlib.sha256()
    try:
        with beside.open("wb") as file:
            for piece in _pieces(ray, read, facts):
                file.write(piece)
                digest.update(piece)
        if digest.hexdigest() != facts.sha256:
            raise ImaxproxyError(f"{facts.name} came from its node with other bytes than it has there")
        os.replace(beside, to)
    finally:
        beside.unlink(missing_ok=True)


def _pieces(ray: Any, read: Callable[[str, int], Any], facts: FileFacts) -> Iterator[bytes]:  # noqa: ANN401
    starts = list(range(0, facts.size_bytes, PIECE_BYTES))
    asked = [read(facts.name, start) for start in starts[:_AHEAD]]
    for number in range(len(starts)):
        piece: bytes = ray.get(asked.pop(0))
        if number + _AHEAD < len(starts):
            asked.append(read(facts.name, starts[number + _AHEAD]))
        yield piece
