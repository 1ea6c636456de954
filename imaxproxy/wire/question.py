"""What is asked of an engine over a connection, and what comes of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from imaxproxy.errors import WireError
from imaxproxy.wire.dialect import Dialect
from imaxproxy.wire.head import ResponseHead
from imaxproxy.wire.kept import KeptBudget
from imaxproxy.wire.reception import Reception

Forward = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Onward:
    """The body's bytes go to this transport as they are, and nobody else writes to it until the answer has ended."""

    transport: asyncio.Transport


OnHead = Callable[[ResponseHead], Onward | Forward | None]
"""Told of the response's head; returns where the body's bytes go as they come, if anywhere."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is put to an engine: the request's bytes, and how to read what comes back."""

    data: bytes
    dialect: Dialect | None
    method: str = "POST"
    on_head: OnHead | None = None
    """None: nobody but the meter wants what comes."""
    keep: KeptBudget | None = None
    """The answer's body can be had from the reception, as far as this allows."""


@dataclass(frozen=True, slots=True)
class Answered:
    """How it went. Without a reception no response head came."""

    sent_ns: int | None
    ended_ns: int
    reception: Reception | None
    broken: WireError | None
    """How the connection failed; None when the body came whole."""
    silent: bool = False
    """Not one byte came back, and the connection ended: on one used again, the engine closed it while it was idle."""
