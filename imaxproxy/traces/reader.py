"""Opening a trace file of any known format, and streaming its rows."""

import gzip
import hashlib
import lzma
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol, cast

import orjson

from imaxproxy.errors import UsageError
from imaxproxy.traces.canonical import CanonicalReader
from imaxproxy.traces.fields import BadRow
from imaxproxy.traces.mooncake import KEYS as MOONCAKE_KEYS
from imaxproxy.traces.mooncake import MooncakeReader
from imaxproxy.traces.row import TraceRow

MAX_LINE_BYTES = 64 << 20
"""A row of a million tokens in messages is some 7 MB; a longer line is no JSON lines file."""
_LINES_TO_DETECT = 32
_EXAMPLES_KEPT = 5
_GZIP, _XZ, _ZSTD = b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
_BOM = b"\xef\xbb\xbf"
_DAMAGED = (OSError, EOFError, lzma.LZMAError, zlib.error)
_HOW_TO_GO_ON = "mend the line, or pass --skip-bad to count and leave out such lines"


class RowReader(Protocol):
    """One format: turns a JSON object into a row. May keep state from row to row. Raises BadRow."""

    clamped: int
    """Lengths of 0 read as 1 so far."""

    def row(self, record: dict[str, Any], line: int) -> TraceRow: ...


FORMATS: dict[str, Callable[[Mapping[str, Any]], RowReader]] = {
    "mooncake": MooncakeReader,
    "canonical": CanonicalReader,
}
"""A new format is a new entry here: from the header line (empty where there is none) to its reader."""


class Trace:
    """The rows of one file, read anew at each iteration, one line in memory at a time.

    The counts are of the latest iteration, up to the row that it has reached.
    """

    def __init__(
        self, path: Path, format: str, header: Mapping[str, Any], *, skip_bad: bool = False, limit: int | None = None
    ) -> None:
        self.path = path
        self.format = format
        self.header = header
        """The file's first line, where that is a header."""
        self._skip_bad = skip_bad
        self._limit = limit
        self._start_over()

    def _start_over(self) -> None:
        self.rows = 0
        self.skipped = 0
        self.skipped_examples: list[str] = []
        self.unknown_fields: Counter[str] = Counter()
        try:
            self._reader = FORMATS[self.format](self.header)
        except BadRow as bad:
            raise UsageError(f"{self.path}:1: {bad}") from None

    @property
    def clamped(self) -> int:
        """Lengths of 0 that were read as 1."""
        return self._reader.clamped

    def __repr__(self) -> str:
        return f"<Trace {self.path.name} {self.format} | {self.rows} rows, {self.skipped} skipped>"

    def __iter__(self) -> Iterator[TraceRow]:
        self._start_over()
        return islice(self._all_rows(), self._limit)

    def _all_rows(self) -> Iterator[TraceRow]:
        for line, text in _lines(self.path):
            if line == 1 and self.header:
                continue
            try:
                row = self._reader.row(_decoded(text), line)
            except BadRow as bad:
                self._leave_out(f"{self.path}:{line}: {bad}")
                continue
            self.rows += 1
            self.unknown_fields.update(row.unknown.keys())
            yield row
        if not self.rows:
            raise UsageError(f"{self.path} has no row that can be used; the first complaint: {self._first_complaint()}")

    def _leave_out(self, complaint: str) -> None:
        if not self._skip_bad:
            raise UsageError(f"{complaint}; {_HOW_TO_GO_ON}")
        self.skipped += 1
        if len(self.skipped_examples) < _EXAMPLES_KEPT:
            self.skipped_examples.append(complaint)

    def _first_complaint(self) -> str:
        return self.skipped_examples[0] if self.skipped_examples else "there is nothing after the header"


def open_trace(path: str | Path, *, format: str = "auto", skip_bad: bool = False, limit: int | None = None) -> Trace:
    """Look at the first lines of a trace (plain, .gz or .xz) and return it, ready to be iterated.

    format: one of FORMATS, or "auto" to find it from the first rows.  skip_bad: leave out and count lines that cannot
    be used.  limit: stop after so many rows. Raises UsageError, here or during iteration, for what a user can mend.
    """
    path = Path(path)
    if format not in ("auto", *FORMATS):
        raise UsageError(f"--format must be auto, {' or '.join(FORMATS)}, not {format}")
    if limit is not None and limit < 1:
        raise UsageError(f"--limit must be at least 1 request, not {limit}")
    _check_is_file(path)
    first = list(islice(_lines(path), _LINES_TO_DETECT))
    if not first:
        raise UsageError(f"{path} is empty; a trace has one JSON object a line")
    records = _decodable(first)
    if not records and not skip_bad:
        raise UsageError(f"{path}:{first[0][0]}: {_why_not_json(first[0][1])}; a trace has one JSON object a line")
    header = _header_of(first[0])
    return Trace(path, _format_of(records) if format == "auto" else format, header, skip_bad=skip_bad, limit=limit)


def trace_sha256(path: str | Path) -> str:
    """SHA-256 of the file's bytes as they lie on disk, in hex: what a manifest names a trace by."""
    path = Path(path)
    _check_is_file(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _header_of(first: tuple[int, bytes]) -> dict[str, Any]:
    records = _decodable([first]) if first[0] == 1 else []
    return records[0] if records and "schema" in records[0] else {}


def _format_of(records: list[dict[str, Any]]) -> str:
    """Mooncake's rows hold its four keys and no other; everything else is read as canonical."""
    return "mooncake" if records and all(record.keys() == MOONCAKE_KEYS for record in records) else "canonical"


def _check_is_file(path: Path) -> None:
    if not path.exists():
        raise UsageError(f"{path} does not exist; name a trace file")
    if path.is_dir():
        raise UsageError(f"{path} is a directory; name a trace file in it")
    if not path.is_file():
        raise UsageError(f"{path} is not a regular file; a trace is read more than once, so write it to a file first")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Line numbers from 1, and lines that are not blank. Foreign errors become a UsageError here, and only here."""
    try:
        with _opened(path) as file:
            line = 0
            while text := file.readline(MAX_LINE_BYTES + 1):
                line += 1
                if len(text) > MAX_LINE_BYTES:
                    raise UsageError(f"{path}:{line}: over {MAX_LINE_BYTES} bytes; a trace has one JSON object a line")
                text = text.removeprefix(_BOM) if line == 1 else text
                if b"\0" in text:
                    raise UsageError(
                        f"{path} holds binary data (line {line}); a trace is JSON lines, plain or as .gz or .xz"
                    )
                if not text.isspace():
                    yield line, text
    except _DAMAGED as error:
        raise UsageError(f"{path} cannot be read ({error}); check the file, or decompress it first") from error


def _opened(path: Path) -> IO[bytes]:
    """By the first bytes, not by the name."""
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(_ZSTD):
        raise UsageError(f"{path} is zstd-compressed; decompress it first (zstd -d)")
    if head.startswith(_GZIP):
        return cast(IO[bytes], gzip.open(path))
    if head.startswith(_XZ):
        return lzma.open(path)
    return path.open("rb")


def _decoded(text: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRow(f"not valid JSON ({error})") from None
    if not isinstance(record, dict):
        raise BadRow(f"expected a JSON object, found {text[:40].decode(errors='replace').strip()}")
    return record


def _decodable(lines: list[tuple[int, bytes]]) -> list[dict[str, Any]]:
    records = []
    for _, text in lines:
        with suppress(BadRow):  # the iteration meets the line again, and tells of it
            records.append(_decoded(text))
    return records


def _why_not_json(text: bytes) -> str:
    try:
        _decoded(text)
    except BadRow as bad:
        return str(bad)
    raise AssertionError("only lines that cannot be decoded come here")
