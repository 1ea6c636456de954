"""Protocol buffers as bytes, so much of them as Prometheus' messages take: fields are written, none is read.

A library would bring 1.5 MB and generated code for four kinds of field (https://protobuf.dev/programming-guides/encoding).
"""

import struct
from collections.abc import Iterable

_VARINT, _EIGHT_BYTES, _LENGTH = 0, 1, 2
"""Wire types: what follows a field's number."""


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first. Raises ValueError below 0: that would have no end."""
    if value < 0:
        raise ValueError(f"no varint holds {value}")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def unsigned(number: int, value: int) -> bytes:
    """A field of type uint32, uint64 or an enum."""
    return varint(number << 3 | _VARINT) + varint(value)


def signed(number: int, value: int) -> bytes:
    """A field of type sint32 or sint64."""
    return unsigned(number, _zigzag(value))


def all_signed(number: int, values: Iterable[int]) -> bytes:
    """A repeated field of type sint64, packed."""
    return message(number, b"".join(varint(_zigzag(value)) for value in values))


def double(number: int, value: float) -> bytes:
    return varint(number << 3 | _EIGHT_BYTES) + struct.pack("<d", value)


def text(number: int, value: str) -> bytes:
    return message(number, value.encode())


def message(number: int, body: bytes) -> bytes:
    """A field that is a message, or anything else that tells its length."""
    return varint(number << 3 | _LENGTH) + varint(len(body)) + body


def _zigzag(value: int) -> int:
    """Small numbers stay small, whatever their sign."""
    return value << 1 if value >= 0 else (-value << 1) - 1
