"""A stretch of a file of JSON lines: whole lines, told by bytes, so that several processes can read one file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from imaxproxy.errors import ImaxproxyError

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """The lines that begin in [from_byte, to_byte): neighbouring pieces share no line and leave none out."""

    path: Path
    from_byte: int = 0
    to_byte: int | None = None
    """None: the file's end, wherever that is when it is read."""

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each line's JSON with the byte at which it begins; a last one that was cut by a kill is left out.

        Raises ImaxproxyError for any other that is no JSON object.
        """
        with self.path.open("rb") as lines:
            at_byte = self._first_line(lines)
            for line in lines:
                if (self.to_byte is not None and at_byte >= self.to_byte) or not line.endswith(b"\n"):
                    return
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise self.broken(at_byte, error) from error
                if type(row) is not dict:
                    raise self.broken(at_byte, TypeError("it is no JSON object"))
                yield at_byte, row
                at_byte += len(line)

    def broken(self, at_byte: int, error: Exception) -> ImaxproxyError:
        """What to raise of the line that begins there."""
        return broken_line(self.path, self._number(at_byte), error)

    def _first_line(self, lines: BinaryIO) -> int:
        if not self.from_byte:
            return 0
        lines.seek(self.from_byte - 1)
        return self.from_byte - 1 + len(lines.readline())

    def _number(self, at_byte: int) -> int:
        """Of a line, from 1: counted when somebody has to be told."""
        number, left_bytes = 1, at_byte
        with self.path.open("rb") as file:
            while left_bytes and (block := file.read(min(_BLOCK_BYTES, left_bytes))):
                number, left_bytes = number + block.count(b"\n"), left_bytes - len(block)
        return number


def pieces_of(paths: Iterable[Path], bytes_each: int) -> list[Piece]:
    """Files in pieces of about so many bytes, in order."""
    pieces = []
    for path in paths:
        size_bytes = path.stat().st_size
        starts = list(range(0, max(size_bytes - bytes_each // 2, 1), bytes_each))
        ends = [*starts[1:], None]
        pieces += [Piece(path, *each) for each in zip(starts, ends, strict=True)]
    return pieces


def broken_line(path: Path, number: int, error: Exception) -> ImaxproxyError:
    """What to raise of a line that is not as it is written."""
    return ImaxproxyError(f"{path}:{number}: not a journal line ({error}); remove it to go on")
