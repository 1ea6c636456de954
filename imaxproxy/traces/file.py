"""The bytes of a trace file: plain or compressed, known by their first bytes, in lines of bounded length."""

import gzip
import hashlib
import lzma
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from imaxproxy.errors import UsageError
from imaxproxy.shipped import shipped

if sys.version_info >= (3, 14):
    from compression import zstd as zstd
else:
    from backports import zstd as zstd

MAX_LINE_BYTES = 64 << 20
"""A row of a million tokens in messages is some 7 MB; a longer line is no JSON lines file."""
_GZIP, _XZ, _ZSTD = b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
_BOM = b"\xef\xbb\xbf"
_WIDE = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
"""What editors and shells of Windows write at the start of text that is not UTF-8; the longer marks first."""
_DAMAGED = (OSError, EOFError, lzma.LZMAError, zlib.error, zstd.ZstdError)


def found(path: Path) -> Path:
    """The path, or what ships in `workloads/` under this bare name: `fixed-1k1k` is its spec."""
    if path.exists() or len(path.parts) != 1 or path.suffix:
        return path
    named = shipped("workloads") / f"{path}.toml"
    return named if named.is_file() else path


def trace_files(path: Path) -> list[Path]:
    """The file itself, or the files of a folder by name. Raises UsageError where there is nothing to read."""
    if not path.exists():
        raise UsageError(f"{path} does not exist; name a trace file, or a workload that `imaxproxy trace specs` lists")
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if _may_be_trace(each))
        if not files:
            raise UsageError(f"{path} is a directory without trace files; name a trace file")
        return files
    if not path.is_file():
        raise UsageError(f"{path} is not a regular file; a trace is read more than once, so write it to a file first")
    return [path]


def trace_sha256(path: str | Path) -> str:
    """SHA-256 of the file's bytes as they lie on disk, in hex: what a manifest names a trace by.

    Of a folder: of its files' names and digests, in the order in which they are read.
    """
    path = found(Path(path))
    files = trace_files(path)
    if not path.is_dir():
        return _file_sha256(path)
    listed = "".join(f"{_file_sha256(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The content, decompressed, behind a mark of UTF-8. Foreign errors become a UsageError here, and only here."""
    try:
        with _opened(path) as file:
            _skip_mark(path, file)
            yield file
    except _DAMAGED as error:
        raise UsageError(f"{path} cannot be read ({error}); check the file, or decompress it first") from error


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Line numbers from 1, and lines that are not blank."""
    with opened(path) as file:
        line = 0
        while text := file.readline(MAX_LINE_BYTES + 1):
            line += 1
            if len(text) > MAX_LINE_BYTES:
                raise UsageError(f"{path}:{line}: over {MAX_LINE_BYTES} bytes; a trace has one JSON object a line")
            if b"\0" in text:
                raise UsageError(
                    f"{path} holds binary data (line {line}); a trace is text, plain or as .gz, .zst or .xz"
                )
            if not text.isspace():
                yield line, text


def head(path: Path, size: int) -> bytes:
    """The first bytes of the content, without white space before them."""
    with opened(path) as file:
        return file.read(size).lstrip()


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        first = file.read(6)
    if first.startswith(_ZSTD):
        return cast(IO[bytes], zstd.open(path))
    if first.startswith(_GZIP):
        return cast(IO[bytes], gzip.open(path))
    if first.startswith(_XZ):
        return lzma.open(path)
    return path.open("rb")


def _skip_mark(path: Path, file: IO[bytes]) -> None:
    first = file.read(4)
    for mark, name in _WIDE.items():
        if first.startswith(mark):
            raise UsageError(f"{path} is {name}, and a trace is UTF-8: `iconv -f {name} -t UTF-8` makes it so")
    file.seek(len(_BOM) if first.startswith(_BOM) else 0)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _may_be_trace(path: Path) -> bool:
    return path.is_file() and not path.name.startswith((".", "README", "LICENSE")) and path.suffix != ".md"
