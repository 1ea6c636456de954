"""Which of several upstreams answers a request."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from itertools import count
from typing import Protocol, TypeVar

from imaxproxy.proxy.json_edit import find_members

PREFIX_BLOCK_BYTES = 512
PREFIX_BLOCKS = 64
PREFIX_ENTRIES = 1 << 16
"""Blocks that are remembered, about 10 MB of them; the ones not met for longest go first."""
PREFIX_SHARE = 0.5
"""So much of a prompt must have been seen by one upstream for it to be the favourite."""
BUSIER_THAN, BUSIER_BY = 2, 4
"""A favourite with more than 2 x the requests of the least busy, and 4, is passed over."""
_PROMPTS = ("messages", "prompt", "input")
_SESSIONS = ("session_id", "prompt_cache_key", "user")
"""Members of a body that name a session, the closest first: one `user` may have many conversations."""


class Routing(StrEnum):
    """The policies, as `--route` names them."""

    ROUND_ROBIN = "round-robin"
    LEAST_OUTSTANDING = "least-outstanding"
    SESSION = "session"
    PREFIX = "prefix"


class Backend(Protocol):
    """What a policy knows of an upstream."""

    @property
    def name(self) -> str: ...

    @property
    def outstanding(self) -> int:
        """Requests that it has not finished."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a policy knows of a request."""

    session_header: str | None
    body: bytes


B = TypeVar("B", bound=Backend)


class Route(Protocol):
    """A policy. It is given the upstreams that may be asked, at least one, always in the same order."""

    def choose(self, backends: Sequence[B], asked: Asked) -> B:
        """One of `backends`."""


class RoundRobin:
    """Each in turn."""

    def __init__(self) -> None:
        self._turn = count()

    def choose(self, backends: Sequence[B], asked: Asked) -> B:
        return backends[next(self._turn) % len(backends)]


class LeastOutstanding:
    """The one with the fewest unfinished requests; in turn among equals."""

    def __init__(self) -> None:
        self._turn = count()

    def choose(self, backends: Sequence[B], asked: Asked) -> B:
        fewest = min(backend.outstanding for backend in backends)
        equals = [backend for backend in backends if backend.outstanding == fewest]
        return equals[next(self._turn) % len(equals)]


class BySession:
    """Always the same one for a session, by rendezvous hashing: when one is ejected only its own sessions move.

    A session is named by a header, else by the body. A request without one goes to the least busy.
    """

    def __init__(self) -> None:
        self._else = LeastOutstanding()

    def choose(self, backends: Sequence[B], asked: Asked) -> B:
        session = session_of(asked)
        if session is None:
            return self._else.choose(backends, asked)
        return max(backends, key=lambda backend: _digest(backend.name.encode() + b"\0" + session))


class ByPrefix:
    """The one that has seen most of the prompt's beginning, for its engine may have that cached; unless it is busier.

    Prompts are compared as the bytes of their JSON, in blocks. Memory is bounded.
    """

    def __init__(self, entries: int = PREFIX_ENTRIES) -> None:
        self._entries = entries
        self._seen_by: OrderedDict[bytes, str] = OrderedDict()
        self._else = LeastOutstanding()

    def choose(self, backends: Sequence[B], asked: Asked) -> B:
        blocks = prompt_blocks(asked.body)
        favourite = self._favourite(backends, blocks)
        least = self._else.choose(backends, asked)
        if favourite is None or favourite.outstanding > BUSIER_THAN * least.outstanding + BUSIER_BY:
            favourite = least
        self._remember(blocks, favourite.name)
        return favourite

    def _favourite(self, backends: Sequence[B], blocks: list[bytes]) -> B | None:
        named = {backend.name: backend for backend in backends}
        for seen in range(len(blocks), 0, -1):
            if seen < PREFIX_SHARE * len(blocks):
                return None
            name = self._seen_by.get(blocks[seen - 1])
            if name in named:
                return named[name]
        return None

    def _remember(self, blocks: list[bytes], name: str) -> None:
        for block in blocks:
            self._seen_by[block] = name
            self._seen_by.move_to_end(block)
        while len(self._seen_by) > self._entries:
            self._seen_by.popitem(last=False)


ROUTES: dict[Routing, Callable[[], Route]] = {
    Routing.ROUND_ROBIN: RoundRobin,
    Routing.LEAST_OUTSTANDING: LeastOutstanding,
    Routing.SESSION: BySession,
    Routing.PREFIX: ByPrefix,
}


def session_of(asked: Asked) -> bytes | None:
    """What names the session; None when nothing does. A number or a text, as it is spelled."""
    if asked.session_header:
        return asked.session_header.encode(errors="surrogateescape")
    members = find_members(asked.body, *_SESSIONS)
    for key in _SESSIONS:
        value = asked.body[slice(*members[key])] if key in members else b""
        if value not in (b"", b'""', b"null") and value[:1] not in b"{[":
            return value.strip(b'"')
    return None


def prompt_blocks(body: bytes) -> list[bytes]:
    """A digest of each beginning of the prompt, 1, 2, 3, ... blocks long; the last, unfinished one is left out."""
    members = find_members(body, *_PROMPTS)
    span = next((members[key] for key in _PROMPTS if key in members), None)
    if span is None:
        return []
    state, blocks = blake2b(digest_size=8), list[bytes]()
    last = min(span.end - PREFIX_BLOCK_BYTES, span.start + (PREFIX_BLOCKS - 1) * PREFIX_BLOCK_BYTES)
    for at in range(span.start, last + 1, PREFIX_BLOCK_BYTES):
        state.update(body[at : at + PREFIX_BLOCK_BYTES])
        blocks.append(state.digest())
    return blocks


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=8).digest()
