"""Members of a JSON object found and changed in its bytes; every other byte stays as it was.

Reading and writing the object anew would lose what a parser does not keep: the order and spelling of numbers, spaces,
escapes, keys that stand twice. Nothing is validated: bytes that are not JSON are the engine's to refuse.
"""

import re
from typing import NamedTuple

import orjson

TOKEN_LIMIT = 200_000
"""Brackets and strings looked at, about 50 ms of them: a body that is made of brackets must not hold up the others."""
_TOKEN = re.compile(rb'["{}\[\]]')
_COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_SCALAR = re.compile(rb'(?!["{\[])[^ \t\r\n,}\]]+')
_REST_OF_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SPACE = b" \t\r\n"


class Span(NamedTuple):
    """Where a value stands: `body[start:end]`, quotes and brackets included."""

    start: int
    end: int


def find_member(body: bytes, key: str) -> Span | None:
    """The value of the outermost object's member `key`; None when there is none, or the body is no object."""
    return find_members(body, key).get(key)


def find_members(body: bytes, *keys: str) -> dict[str, Span]:
    """The values of those of the outermost object's members that are there; none when the body is no whole object.

    Of a key that stands twice the last one, as engines' parsers take it; a key may be spelled with escapes. A body of
    more than `TOKEN_LIMIT` brackets and strings is not searched to its end, and has no members.
    """
    if not body.lstrip(_SPACE).startswith(b"{"):
        return {}
    wanted = {orjson.dumps(key): key for key in keys}
    found: dict[str, Span] = {}
    depth, at, value_start = 0, 0, -1  # the value of `key` starts there, and its end is yet to come
    key: str | None = None
    for _ in range(TOKEN_LIMIT):
        token = _TOKEN.search(body, at)
        if token is None:
            return {}  # the last bracket is missing
        start, at = token.span()
        kind = body[start]
        if kind in b"{[":
            depth += 1
            continue
        if kind in b"}]":
            depth -= 1
            if depth == 0:
                return found
        elif (at := _string_end(body, start)) < 0:
            return {}
        elif depth == 1 and start != value_start and (colon := _COLON.match(body, at)):
            key, at = _known(body[start:at], wanted), colon.end()
            scalar = _SCALAR.match(body, at)
            if key is not None and scalar is not None:
                found[key] = Span(*scalar.span())
            value_start = -1 if key is None or scalar is not None else at
            continue
        if depth == 1 and value_start >= 0 and key is not None:
            found[key], value_start = Span(value_start, at), -1
    return {}


def replaced(body: bytes, span: Span, value: object) -> bytes:
    """The body with another value at `span`."""
    return body[: span.start] + orjson.dumps(value) + body[span.end :]


def with_member(body: bytes, key: str, value: object) -> bytes:
    """The body, an object, with one more member at its end."""
    end = body.rindex(b"}")
    comma = b"" if body[:end].rstrip(_SPACE).endswith(b"{") else b","
    return body[:end] + comma + orjson.dumps(key) + b":" + orjson.dumps(value) + body[end:]


def without_member(body: bytes, key: str) -> bytes:
    """The body less its last member `key`, and less the comma that parted it from its neighbour.

    The key is one that needs no escape for its quotes.
    """
    span = find_member(body, key)
    if span is None:
        return body
    colon = body.rindex(b":", 0, span.start)
    start = body.rindex(b'"', 0, body.rindex(b'"', 0, colon))
    before, behind = body[:start].rstrip(_SPACE), body[span.end :]
    if before.endswith(b","):
        return before[:-1] + behind
    return body[:start] + behind.lstrip(_SPACE).removeprefix(b",").lstrip(_SPACE)


def _string_end(body: bytes, start: int) -> int:
    """Behind the quote that ends the string; -1 when none does."""
    end = body.find(b'"', start + 1)
    if body.find(b"\\", end - 1, end) < 0:  # at a memchr's speed as long as no quote is escaped
        return end + 1 if end >= 0 else -1
    match = _REST_OF_STRING.match(body, start + 1)
    return match.end() if match else -1


def _known(spelled: bytes, wanted: dict[bytes, str]) -> str | None:
    """Which of the wanted keys this is."""
    if b"\\" in spelled:
        try:
            spelled = orjson.dumps(orjson.loads(spelled))
        except orjson.JSONDecodeError:
            return None
    return wanted.get(spelled)
