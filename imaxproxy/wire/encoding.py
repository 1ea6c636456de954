"""Compressed bodies, read on the side: what is relayed stays as the engine sent it.

The proxy asks engines for identity encoding, so this is for those that compress all the same.
"""

import sys
import zlib
from collections.abc import Callable, Iterator

from imaxproxy.errors import WireError

Decode = Callable[[bytes], bytes]
"""Takes what reads gave, in order; gives what can be read so far. Raises WireError `bad_encoding`."""
DECODED_LIMIT_BYTES = 64 << 20
"""Of one read: a few compressed bytes may stand for gigabytes."""
_STEP_BYTES = 1024
"""Fed at once, so that the limit is seen before memory is full."""


def decode_of(encoding: bytes | None) -> Decode | None:
    """How to read a body of this `Content-Encoding`; None for one that needs no decoding.

    Raises WireError `unread_encoding` for one that is not known here: `br` needs the package brotli
    (`pip install 'imaxproxy[brotli]'`).
    """
    name = (encoding or b"identity").strip().lower()
    if name in (b"", b"identity"):
        return None
    makers: dict[bytes, Callable[[], Decode]] = {
        b"gzip": _Gzip,
        b"x-gzip": _Gzip,
        b"deflate": _Deflate,
        b"br": _brotli,
        b"zstd": _zstd,
    }
    if name not in makers:
        raise WireError("unread_encoding", f"Content-Encoding {name[:40]!r}")
    return _bounded(makers[name]())


class _Gzip:
    """A gzip file may be several, one behind the other (RFC 1952, section 2.2)."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(31)

    def __call__(self, data: bytes) -> bytes:
        parts = [self._inflate.decompress(data)]
        while self._inflate.eof and self._inflate.unused_data:
            rest, self._inflate = self._inflate.unused_data, zlib.decompressobj(31)
            parts.append(self._inflate.decompress(rest))
        return b"".join(parts)


class _Deflate:
    """`deflate` means zlib's format (RFC 9110, 8.4.1.2); some servers send the bare one."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj()
        self._fresh = True

    def __call__(self, data: bytes) -> bytes:
        if self._fresh and data:
            self._fresh = False
            if data[0] & 15 != 8:  # zlib's first byte names its method, 8
                self._inflate = zlib.decompressobj(-15)
        return self._inflate.decompress(data)


def _brotli() -> Decode:
    try:
        import brotli
    except ImportError as error:
        raise WireError("unread_encoding", "Content-Encoding br, and the package brotli is not installed") from error
    decode: Decode = brotli.Decompressor().process
    return decode


def _zstd() -> Decode:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.ZstdDecompressor().decompress


def _bounded(decode: Decode) -> Decode:
    def decode_within_limit(data: bytes) -> bytes:
        parts: list[bytes] = []
        size = 0
        for piece in _pieces(data):
            try:
                parts.append(decode(piece))
            except Exception as error:  # each library has its own; the exchange says that it could not be read
                raise WireError("bad_encoding", f"the body is not of its Content-Encoding: {error}") from error
            size += len(parts[-1])
            if size > DECODED_LIMIT_BYTES:
                raise WireError("bad_encoding", f"one read holds over {DECODED_LIMIT_BYTES} bytes when decoded")
        return b"".join(parts)

    return decode_within_limit


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[at : at + _STEP_BYTES] for at in range(0, len(data), _STEP_BYTES))
