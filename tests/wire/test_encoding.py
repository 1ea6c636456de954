import gzip
import sys
import zlib
from collections.abc import Callable

import brotli
import pytest

from imaxproxy.errors import WireError
from imaxproxy.wire.encoding import DECODED_LIMIT_BYTES, decode_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BODY = b"".join(b'data: {"n":%d}\n\n' % number for number in range(400))
CODINGS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"x-gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"br": brotli.compress,
    b"zstd": zstd.compress,
    b" GZIP ": lambda body: gzip.compress(body[:700]) + gzip.compress(body[700:]),  # two members
}


def bare_deflate(body: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(body) + deflate.flush()


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(("name", "compress"), [*CODINGS.items(), (b"deflate", bare_deflate)])
def test_reads_what_was_compressed_however_cut(name: bytes, compress: Callable[[bytes], bytes], size: int) -> None:
    decode, coded = decode_of(name), compress(BODY)
    assert decode is not None
    assert b"".join(decode(coded[at : at + size]) for at in range(0, len(coded), size)) == BODY


@pytest.mark.parametrize("name", [None, b"", b"identity", b" Identity"])
def test_identity_needs_none(name: bytes | None) -> None:
    assert decode_of(name) is None


def test_an_unknown_one_is_named() -> None:
    with pytest.raises(WireError, match="'compress'"):
        decode_of(b"compress")


@pytest.mark.parametrize("name", [b"gzip", b"deflate", b"br", b"zstd"])
def test_other_bytes_are_no_body(name: bytes) -> None:
    decode = decode_of(name)
    assert decode is not None
    with pytest.raises(WireError) as caught:
        decode(b"data: no compression here, only text\n\n" * 40)
    assert caught.value.kind == "bad_encoding"


def test_a_bomb_is_seen_before_memory_is_full() -> None:
    decode, bomb = decode_of(b"gzip"), gzip.compress(bytes(2 * DECODED_LIMIT_BYTES))
    assert decode is not None
    with pytest.raises(WireError) as caught:
        decode(bomb)
    assert caught.value.kind == "bad_encoding"
