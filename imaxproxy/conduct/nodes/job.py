"""What one node of a cluster is told to play, and what it says of it: plain data that travels."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imaxproxy.conduct.flags.load import Load
from imaxproxy.conduct.replay.parts import Asked
from imaxproxy.conduct.replay.wording import Wording
from imaxproxy.load.share import Share


@dataclass(frozen=True, slots=True)
class NodeJob:
    """One node's share."""

    flags: dict[str, Any]
    """Of `replay`."""
    load: Load
    asked: Asked
    wording: Wording
    salt: str
    trace: str
    """Where the trace lies on that node."""
    share: Share
    workers: int
    """On each node."""
    name: str
    """Of its part of the run, for those who see parts of many runs."""
    goes_on: bool
    """The workers that are left play on when one dies."""
    out: Path | None = None
    """Storage that all nodes share, for its files; None: a folder of its own on the node."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """How it goes on a node."""

    ready: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    ended: str | None = None
    """How all of its workers have ended."""
    lost_lines: int = 0
    lost_workers: tuple[int, ...] = ()
    over: bool = False
    """No worker is left."""
    error: str | None = None
    """What stopped it that a user can mend: a row that could not be sent."""
    bug: str | None = None
    """What stopped it that is ours: a traceback."""


@dataclass(frozen=True, slots=True)
class NodeFound:
    """What a node has once all has been played."""

    trace: dict[str, Any]
    zero_ns: int | None
    late_ms: float
    """So long after its zero it was told the zero."""
    complaint: str | None
    """What else went wrong that spoils no run: a collector that refused."""
    files: tuple[Any, ...]
    """`cluster.FileFacts` of journals and meters, on the command's clock; none when they were written to `out`."""
