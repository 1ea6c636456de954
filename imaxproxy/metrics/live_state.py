"""What was seen so far of one request in flight."""

from typing import Any

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.metrics.flow import Who

Places = tuple[tuple[str, str], ...]
"""(dimension, value), of each dimension that is known of a request."""


class LiveState:
    """What was seen of one request so far."""

    __slots__ = (
        "base",
        "dimensions",
        "events",
        "first_ns",
        "is_old",
        "last_ns",
        "model",
        "sent_ns",
        "tokens",
        "told",
        "who",
    )

    def __init__(self, who: Who) -> None:
        self.who = who
        self.model = who.model
        self.sent_ns: int | None = None
        self.events = 0
        self.tokens = 0
        """Told ones, or as many as events."""
        self.told = False
        self.base = 0
        """Tokens of the first event."""
        self.first_ns = self.last_ns = 0
        self.dimensions: Places | None = None
        self.is_old = False
        """It was there before the looking began, and nothing of it was counted so far."""

    def places(self) -> "Places":
        """Dimension and value, of each that is known; the same for many requests."""
        if self.dimensions is None:
            who = self.who
            named = (("upstream", who.upstream), ("model", self.model), ("client", who.client))
            tags = [("tag", f"{name}={value}") for name, value in (who.tags or {}).items()]
            self.dimensions = (*((name, value) for name, value in named if value is not None), *tags)
        return self.dimensions

    @property
    def tps(self) -> float | None:
        """Tokens/s since the first event."""
        passed_ns = self.last_ns - self.first_ns
        return (self.tokens - self.base) * NS_PER_S / passed_ns if passed_ns > 0 else None

    def idle_ns(self, now_ns: int) -> int:
        """Since the newest token event, or, without any, since it was sent."""
        return max(now_ns - (self.last_ns or self.sent_ns or self.who.started_ns), 0)

    def row(self, now_ns: int) -> dict[str, Any]:
        """A line of the view's list of streams; tokens are events where `told` is false."""
        who, sent_ns = self.who, self.sent_ns
        return {
            "id": who.request_id,
            "model": self.model,
            "upstream": who.upstream,
            "client": who.client,
            "tag": ", ".join(f"{name}={value}" for name, value in (who.tags or {}).items()) or None,
            "age_s": (now_ns - who.started_ns) / NS_PER_S,
            "ttft_ms": (self.first_ns - sent_ns) / NS_PER_MS if self.events and sent_ns is not None else None,
            "tokens": self.tokens,
            "told": self.told,
            "tps": self.tps,
            "idle_s": self.idle_ns(now_ns) / NS_PER_S,
            "state": "streaming" if self.events else "waiting",
        }
