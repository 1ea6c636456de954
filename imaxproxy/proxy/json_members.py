"""Where the members of a JSON object stand in its bytes, so that one can be changed and all else stay as it is."""

import re
from dataclasses import dataclass

import orjson

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]')
_SPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Member:
    """`"name": value`, as offsets into the bytes that hold it."""

    name: str
    start: int
    """Of the name's opening quote."""
    value_start: int
    end: int
    """Behind the value."""


def members(data: bytes, start: int = 0) -> list[Member]:
    """The members of the object that begins at or behind `start`, in their order, repeated names too.

    The data must be JSON that was parsed before, and an object.
    """
    found: list[Member] = []
    depth, name, name_at, value_at = 0, "", 0, 0
    for token in _TOKEN.finditer(data, start):
        sign = token[0]
        if sign in (b"}", b"]", b",") and depth == 1 and value_at:
            found.append(Member(name, name_at, value_at, _before_space(data, token.start())))
            value_at = 0
        if sign in (b"{", b"["):
            depth += 1
        elif sign in (b"}", b"]"):
            depth -= 1
            if not depth:
                break
        elif depth == 1 and sign == b":":
            value_at = _behind_space(data, token.end())
        elif depth == 1 and sign[:1] == b'"' and not value_at:
            name, name_at = orjson.loads(sign), token.start()
    return found


def named(data: bytes, name: str, start: int = 0) -> Member | None:
    """The last member of this name: the one that parsers keep."""
    return next((member for member in reversed(members(data, start)) if member.name == name), None)


def without(data: bytes, member: Member) -> bytes:
    """The object less one of its members, and less the comma that parted it from its neighbour."""
    start, end = member.start, member.end
    before = data[:start].rstrip(_SPACE)
    if before.endswith(b","):
        return before[:-1] + data[end:]
    behind = data[end:].lstrip(_SPACE)
    return data[:start] + behind.removeprefix(b",").lstrip(_SPACE)


def with_behind(data: bytes, extra: list[bytes]) -> bytes:
    """The object with more members behind its last; `extra` are members as bytes, and there is one already."""
    end = data.rindex(b"}")
    return b",".join([data[:end], *extra]) + data[end:]


def _behind_space(data: bytes, at: int) -> int:
    return len(data) - len(data[at:].lstrip(_SPACE)) if data[at : at + 1] in (b" ", b"\t", b"\r", b"\n") else at


def _before_space(data: bytes, at: int) -> int:
    while data[at - 1] in _SPACE:
        at -= 1
    return at
