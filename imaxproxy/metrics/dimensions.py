"""Exchanges by who answered, who asked, and what the asker wrote on them. Bounded: a client chooses its own tags."""

from collections.abc import Sequence
from typing import Any

from imaxproxy.metrics.exchange import Exchange
from imaxproxy.metrics.tally import Tally

OTHER = "other"
"""Where the values go that came after the most that are told apart."""
MOST_VALUES = 64
MOST_TAG_NAMES = 16
MAIN_METRICS = ("ttft_ms", "itl_ms", "tpot_ms", "e2e_ms")
MOST_FRESH = 1_000


class Breakdown:
    """A tally for each value of one dimension, the first `most` values; all further ones share `other`. Mergeable."""

    def __init__(self, metrics: Sequence[str] = MAIN_METRICS, most: int = MOST_VALUES) -> None:
        self._metrics, self._most = tuple(metrics), most
        self.parts: dict[str, Tally] = {}

    def add(self, value: str, exchange: Exchange) -> None:
        self._part(value).add(exchange)

    def take(self, value: str, tally: Tally) -> None:
        """Add what was counted elsewhere under one value, with these metrics or with more."""
        self._part(value).merge(tally)

    def merge(self, other: "Breakdown") -> None:
        for value, tally in other.parts.items():
            self.take(value, tally)

    def as_dict(self) -> dict[str, Any]:
        """By value: requests, tokens and the metrics."""
        return {
            value: {"requests": tally.requests(), "tokens": tally.tokens(), **tally.stats()}
            for value, tally in sorted(self.parts.items())
        }

    def _part(self, value: str) -> Tally:
        if value not in self.parts and len(self.parts) >= self._most:
            value = OTHER
        if value not in self.parts:
            self.parts[value] = Tally(self._metrics, MOST_FRESH)
        return self.parts[value]


class Dimensions:
    """What exchanges come to by upstream, by client (the name of its key) and by tag. Mergeable."""

    def __init__(self, metrics: Sequence[str] = MAIN_METRICS) -> None:
        self._metrics = tuple(metrics)
        self.by_upstream = Breakdown(metrics)
        self.by_client = Breakdown(metrics)
        self.by_tag: dict[str, Breakdown] = {}

    def add(self, exchange: Exchange) -> None:
        ask = exchange.ask
        if ask.upstream is not None:
            self.by_upstream.add(ask.upstream, exchange)
        if ask.client is not None:
            self.by_client.add(ask.client, exchange)
        for name, value in (ask.tags or {}).items():
            self._tag(name).add(value, exchange)

    def merge(self, other: "Dimensions") -> None:
        self.by_upstream.merge(other.by_upstream)
        self.by_client.merge(other.by_client)
        for name, breakdown in other.by_tag.items():
            self._tag(name).merge(breakdown)

    def as_dict(self) -> dict[str, Any]:
        """`by_upstream`, `by_client` and `by_tag` of summary.json; empty where no exchange says."""
        return {
            "by_upstream": self.by_upstream.as_dict(),
            "by_client": self.by_client.as_dict(),
            "by_tag": {name: breakdown.as_dict() for name, breakdown in sorted(self.by_tag.items())},
        }

    def _tag(self, name: str) -> Breakdown:
        if name not in self.by_tag and len(self.by_tag) >= MOST_TAG_NAMES:
            name = OTHER
        return self.by_tag.setdefault(name, Breakdown(self._metrics))
