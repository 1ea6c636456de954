"""How an upstream stands, as one process sees it or as many see it together."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class UpstreamState:
    """Mergeable. Processes that have ended take theirs with them; what ended is counted elsewhere (`Totals`)."""

    name: str
    url: str
    up: int
    """Processes that let calls through to it; each checks for itself."""
    seen_by: int = 1
    """Processes that say."""
    outstanding: int = 0
    ejections: int = 0
    last_error: str | None = None
    models: frozenset[str] | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def merge(self, other: "UpstreamState") -> None:
        self.up += other.up
        self.seen_by += other.seen_by
        self.outstanding += other.outstanding
        self.ejections += other.ejections
        self.last_error = other.last_error or self.last_error
        if other.models is not None:
            self.models = other.models | (self.models or frozenset())
        self.counts.update(other.counts)

    def as_dict(self) -> dict[str, Any]:
        """Its part of `/imax/stats`; `up` when it is for every process."""
        return {
            "name": self.name,
            "url": self.url,
            "up": self.up == self.seen_by,
            "up_workers": self.up,
            "outstanding": self.outstanding,
            "ejections": self.ejections,
            "last_error": self.last_error,
            "models": None if self.models is None else sorted(self.models),
            "counts": dict(sorted(self.counts.items())),
        }
