"""One node of a run on a cluster, as the command sees it: its actor, its clock, what it last said, what it lost."""

from dataclasses import dataclass, field
from typing import Any

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.cluster import Drift, Node, Offset
from imaxproxy.conduct.nodes.job import NodeFound, NodeState
from imaxproxy.load.share import Share
from imaxproxy.runs import share_record


@dataclass(slots=True)
class NodePlayer:
    """What is known of it so far."""

    share: Share
    workers_each: int
    """On each node of the run."""
    node: Node
    actor: Any
    host: dict[str, Any]
    trace: str
    """Where the trace lies on it."""
    state: NodeState = field(default_factory=NodeState)
    asked: Any = None
    """What it was asked last, while it has not answered."""
    asked_s: float = 0.0
    before: Offset | None = None
    after: Offset | None = None
    zero_ns: int | None = None
    found: NodeFound | None = None
    lost: str | None = None
    """Why it is."""

    @property
    def is_open(self) -> bool:
        """It plays, as far as anyone knows."""
        return self.lost is None and not self.state.over

    @property
    def lost_workers(self) -> list[int]:
        """All of them where the node is lost."""
        return list(self.share.workers(self.workers_each) if self.lost else self.state.lost_workers)

    @property
    def why(self) -> str | None:
        """What was lost of it; None where nothing was."""
        if self.lost is not None:
            return self.lost
        return f"worker {', '.join(map(str, self.lost_workers))} died" if self.lost_workers else None

    @property
    def to_command_ns(self) -> int:
        """What takes the node's times to the command's clock, by the exchange from which its start came."""
        return 0 if self.before is None else -self.before.offset_ns

    def record(self, ended_if_lost: str, engine: str | None) -> dict[str, Any]:
        """Its row in the manifest. engine: the one that it asked, where nodes ask different ones."""
        start: dict[str, Any] = {
            "by": "exchange",
            "error_ms": None if self.before is None else self.before.error_ns / NS_PER_MS,
            "before": None if self.before is None else self.before.as_dict(),
            "after": None if self.after is None else self.after.as_dict(),
            "late_ms": self.found.late_ms if self.found else None,
        }
        if (drift := self._drift()) is not None:
            start["drift"] = drift.as_dict()
        return share_record(
            self.share.index,
            self.share.of,
            list(self.share.workers(self.workers_each)),
            self.zero_ns,
            start,
            host=self.host["name"],
            clock_id=self.host["clock_id"],
            node=self.node.name,
            engine=engine,
            ended=ended_if_lost if self.lost else self.state.ended,
        )

    def clock_line(self) -> str | None:
        """For people: how far its clock is from ours, how surely, and whether it drifts; None where nobody asked."""
        if self.before is None:
            return None
        offset_s, error_ms = self.before.offset_ns / NS_PER_S, self.before.error_ns / NS_PER_MS
        line = f"clock of node {self.node.name}: {offset_s:+.6f} s from ours, +- {error_ms:.3f} ms"
        if (drift := self._drift()) is not None and drift.ppm is not None:
            line += f", drifting {drift.ppm:+.1f} ppm (+- {drift.error_ppm:.1f})"
        if self.found is not None and self.found.late_ms:
            line += f"; told to start {self.found.late_ms:.1f} ms too late"
        return line

    def _drift(self) -> Drift | None:
        return None if self.before is None or self.after is None else Drift(self.before, self.after)
