"""What the generators share: a session as a list of rows, and hash ids that do not collide."""

from collections.abc import Iterator
from typing import Any, Protocol

from imaxproxy.traces.row import TraceRow

Session = list[TraceRow]
"""Rows that belong together, in the order of their file; without stamps."""


class Generator(Protocol):
    """One kind of workload. Draws from streams named by session, so that one more session changes no other."""

    def sessions(self, seed: int) -> Iterator[Session]: ...


def id_base(session: int) -> int:
    """Where the 2 ** 32 hash ids of this session begin; below the first lie those that all sessions share."""
    return (session + 1) << 32


def shared_ids(tokens: int, block_size: int, first: int = 0) -> list[int]:
    """Ids of a prefix that everyone shares, whole blocks only."""
    return list(range(first, first + tokens // block_size))


def exact(request_id: str, input_length: int, output_length: int, **fields: Any) -> TraceRow:  # noqa: ANN401
    """A row of lengths: the player makes the prompt and forces the answer."""
    return TraceRow(request_id, input_length=input_length, output_length=output_length, **fields)
