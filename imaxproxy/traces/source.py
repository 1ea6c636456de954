"""The records of one trace file, whatever its layout: JSON lines, CSV, a JSON array, one JSON document, a spec.

A record that is broken comes as the complaint about it, so that the reader of the trace may count it and go on.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import ijson
import orjson

from imaxproxy.errors import UsageError
from imaxproxy.traces.fields import BadRow
from imaxproxy.traces.file import head, lines, opened
from imaxproxy.traces.json_depth import JsonDepth

Record = dict[str, Any]
Layout = Literal["lines", "csv", "array", "document"]

MAX_DOCUMENT_BYTES = 256 << 20
"""A document over many lines is read whole; a larger one must be an array or JSON lines."""
_HEAD_BYTES = 1 << 16
_DATA_ARRAY = re.compile(rb'\{\s*"data"\s*:\s*\[')
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(\.\d+)?(?:[eE][+-]?\d{1,3})?")


class Source(Protocol):
    """One file as records."""

    layout: Layout

    def records(self) -> Iterator[tuple[int, Record | BadRow]]:
        """Each record, or what is wrong with it, and its place. Raises UsageError where no more can be read."""

    def where(self, place: int) -> str:
        """The place as a user finds it."""


def source_of(path: Path) -> Source:
    """Look at the first bytes and say how to read the file. Raises UsageError for an empty one."""
    first = head(path, _HEAD_BYTES)
    if not first:
        raise UsageError(f"{path} is empty; a trace has one JSON object a line")
    if first.startswith(b"["):
        return _Array(path, "item")
    if _DATA_ARRAY.match(first):
        return _Array(path, "data.item")
    first_line = first.split(b"\n", 1)[0]
    if first.startswith(b"{"):
        over_lines = len(first_line) < len(first) and not _is_json(first_line)
        return _Document(path) if over_lines and _is_document(path, first) else _Lines(path)
    return _Csv(path) if b"," in first_line and first_line.isascii() else _Lines(path)


def decoded(text: bytes) -> Record:
    """One JSON object. Raises BadRow."""
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRow(f"not valid JSON ({error})") from None
    if not isinstance(record, dict):
        raise BadRow(f"expected a JSON object, found {text[:40].decode(errors='replace').strip()}")
    return record


class _Lines:
    """JSON lines: one in memory at a time."""

    layout: Layout = "lines"

    def __init__(self, path: Path) -> None:
        self._path = path

    def records(self) -> Iterator[tuple[int, Record | BadRow]]:
        for line, text in lines(self._path):
            try:
                record: Record | BadRow = decoded(text)
            except BadRow as bad:
                record = bad
            yield line, record

    def where(self, place: int) -> str:
        return f"{self._path}:{place}"


class _Csv:
    """Comma-separated, with a line of names. Numbers become numbers, empty fields are left out."""

    layout: Layout = "csv"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = 0

    def records(self) -> Iterator[tuple[int, Record | BadRow]]:
        table = csv.reader(self._texts(), strict=True)
        try:
            names = [name.strip() for name in next(table)]
        except csv.Error as error:
            raise UsageError(f"{self.where(1)}: the line of names is not valid CSV ({error})") from error
        while True:
            try:
                cells = next(table, None)
            except csv.Error as error:
                yield self._line, BadRow(f"not valid CSV ({error})")
                continue
            if cells is None:
                return
            yield self._line, _named(names, cells)

    def where(self, place: int) -> str:
        return f"{self._path}:{place}"

    def _texts(self) -> Iterator[str]:
        for line, text in lines(self._path):
            self._line = line
            yield text.decode(errors="replace")


class _Array:
    """A JSON array, at the top or under the key `data`: one element in memory at a time."""

    layout: Layout = "array"

    def __init__(self, path: Path, prefix: str) -> None:
        self._path, self._prefix = path, prefix

    def records(self) -> Iterator[tuple[int, Record | BadRow]]:
        number = 0
        try:
            with opened(self._path) as file:
                pieces = ijson.items(_OfBoundedDepth(file), self._prefix, use_float=True)
                for number, element in enumerate(pieces, start=1):
                    yield number, _checked(element)
        except (ijson.JSONError, ValueError) as error:
            why = " ".join(str(error).split())
            raise UsageError(f"{self.where(number + 1)}: not valid JSON ({why}); mend the file") from None

    def where(self, place: int) -> str:
        return f"{self._path}, element {place} of the array"


class _Document:
    """One JSON object, laid out over many lines."""

    layout: Layout = "document"

    def __init__(self, path: Path) -> None:
        self._path = path

    def records(self) -> Iterator[tuple[int, Record | BadRow]]:
        try:
            record: Record | BadRow = decoded(_whole(self._path))
        except BadRow as bad:
            record = bad
        yield 1, record

    def where(self, place: int) -> str:
        return str(self._path)


class _OfBoundedDepth:
    """A file as ijson reads it, which ends where no parser of bounded memory could follow."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._depth = JsonDepth()

    def read(self, size: int) -> bytes:
        piece = self._file.read(size)
        self._depth.feed(piece)
        return piece


def _checked(element: object) -> Record | BadRow:
    """ijson reads whole numbers of any size; nothing behind it is ready for more than 64 bits."""
    if not isinstance(element, dict):
        return BadRow(f"expected a JSON object, found {str(element)[:40]}")
    try:
        orjson.dumps(element)
    except TypeError as error:
        return BadRow(f"not valid JSON ({error})")
    return element


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _is_document(path: Path, first: bytes) -> bool:
    """A brace alone opens a document, however broken, unless whole objects follow it; else all of it must be JSON."""
    opening, *following = first.split(b"\n")
    looks_so = opening.strip() == b"{" and any(following) and not any(map(_is_json, following[:-1]))
    return looks_so or _is_json(_whole(path))


def _whole(path: Path) -> bytes:
    with opened(path) as file:
        text = file.read(MAX_DOCUMENT_BYTES + 1)
    if len(text) > MAX_DOCUMENT_BYTES:
        raise UsageError(f"{path}: over {MAX_DOCUMENT_BYTES} bytes in one JSON object; write it as JSON lines")
    return text


def _named(names: list[str], cells: list[str]) -> Record | BadRow:
    if len(cells) != len(names):
        return BadRow(f"expected {len(names)} columns ({', '.join(names)}), found {len(cells)}")
    return {name: _value(cell) for name, cell in zip(names, cells, strict=True) if cell}


def _value(cell: str) -> int | float | str:
    found = _NUMBER.fullmatch(cell)
    if found is None:
        return cell
    return float(cell) if found[1] or "e" in cell or "E" in cell else int(cell)
