"""Writing a canonical trace: whole or not at all, compressed by its name, and its hash."""

import gzip
import hashlib
import lzma
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

import orjson

from imaxproxy.errors import UsageError
from imaxproxy.traces.canonical import canonical_header, canonical_line
from imaxproxy.traces.file import zstd
from imaxproxy.traces.row import TraceRow


def write_trace(path: Path | None, rows: Iterable[TraceRow], header: Mapping[str, Any] | None = None) -> int:
    """Write rows to a file (.gz, .xz and .zst are compressed) or, without a path, to stdout; return their number.

    The file appears under its name when it is whole: a broken row far down leaves nothing behind.
    """
    with _written(path) as file:
        if header is not None:
            file.write(canonical_header(header))
        count = 0
        for row in rows:
            file.write(canonical_line(row))
            count += 1
    return count


def rows_sha256(rows: Iterable[TraceRow]) -> str:
    """SHA-256 over the canonical rows, in hex: the same for a trace however its file is laid out or compressed.

    Requests count by their order, not by name: a name may be no more than a line number. Keys are sorted. A wait for
    a request further down, or for none, stands for itself.
    """
    digest, order = hashlib.sha256(), dict[str, str]()
    for number, row in enumerate(rows):
        order[row.request_id] = str(number)
        waits = tuple(order.get(name, f"?{name}") for name in row.wait_for)
        line = canonical_line(replace(row, request_id=str(number), wait_for=waits))
        digest.update(orjson.dumps(orjson.loads(line), option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))
    return digest.hexdigest()


@contextmanager
def _written(path: Path | None) -> Iterator[IO[bytes]]:
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = path.with_name(f".{path.name}.part")
    try:
        with _opened(part, path.suffix) as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror or error})") from error
    finally:
        part.unlink(missing_ok=True)


def _opened(path: Path, suffix: str) -> IO[bytes]:
    if suffix == ".gz":
        return cast(IO[bytes], gzip.GzipFile(path, "wb", mtime=0))  # no time inside: equal rows, equal bytes
    if suffix == ".xz":
        return lzma.open(path, "wb")
    if suffix == ".zst":
        return cast(IO[bytes], zstd.open(path, "wb"))
    return path.open("wb")
