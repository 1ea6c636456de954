"""What is under way: one answer as it stands, and whose it is."""

from array import array
from typing import NamedTuple, Protocol


class Flow(NamedTuple):
    """An answer that is under way. The arrays grow with it: to be read at once, and never changed."""

    sent_ns: int | None
    times_ns: "array[int]"
    """Of its token events."""
    tokens: "array[int] | None"
    """Of each event, where the engine tells them; else nobody knows them before the end."""
    model: str | None


class Who(NamedTuple):
    """Whose request it is, and where it went."""

    request_id: str
    started_ns: int
    upstream: str | None = None
    client: str | None = None
    tags: dict[str, str] | None = None
    model: str | None = None
    is_measured: bool = True
    """False: it fills caches, or goes to a path that is only passed through, and no figure knows it."""


class Underway(Protocol):
    """A request in flight. Hashable by identity."""

    def who(self) -> Who: ...

    def flow(self) -> Flow | None:
        """None before its answer's head."""
