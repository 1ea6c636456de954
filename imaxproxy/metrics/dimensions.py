"""Exchanges by who answered, who asked, and what the asker wrote on them. Bounded: a client chooses its own tags."""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import Any

from imaxproxy.metrics.exchange import Exchange
from imaxproxy.metrics.tally import Tally

OTHER = "other"
"""Where the values go that came after the most that are told apart."""
MOST_VALUES = 64
MOST_TAG_NAMES = 16
MAIN_METRICS = ("ttft_ms", "itl_ms", "tpot_ms", "e2e_ms")
MOST_FRESH = 1_000


class Least:
    """Of all texts it is given, the first `most` by the alphabet: the same in whatever order they come. Mergeable."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.texts: list[str] = []

    def __contains__(self, text: str) -> bool:
        at = bisect_left(self.texts, text)
        return at < len(self.texts) and self.texts[at] == text

    def add(self, text: str) -> str | None:
        """What has to go for it, which may be it itself; None while there is room, and where it is known."""
        at = bisect_left(self.texts, text)
        if at < len(self.texts) and self.texts[at] == text:
            return None
        self.texts.insert(at, text)
        return self.texts.pop() if len(self.texts) > self._most else None

    def merge(self, other: "Least") -> None:
        for text in other.texts:
            self.add(text)


class DimensionValues:
    """Which values of each dimension are told apart, where all exchanges can be seen before they are counted.

    Who counts as they come takes the first ones; parts of a run that are counted apart have to agree. Mergeable.
    """

    def __init__(self) -> None:
        self.upstreams, self.clients = Least(MOST_VALUES), Least(MOST_VALUES)
        self._tag_names = Least(MOST_TAG_NAMES)
        self.tags: dict[str, Least] = {}

    def add(self, exchange: Exchange) -> None:
        ask = exchange.ask
        if ask.upstream is not None:
            self.upstreams.add(ask.upstream)
        if ask.client is not None:
            self.clients.add(ask.client)
        for name, value in (ask.tags or {}).items():
            self._add_tags(name, [value])

    def merge(self, other: "DimensionValues") -> None:
        self.upstreams.merge(other.upstreams)
        self.clients.merge(other.clients)
        for name, values in other.tags.items():
            self._add_tags(name, values.texts)

    def _add_tags(self, name: str, values: Sequence[str]) -> None:
        """A name that has to go never comes back, so no name that stays has lost a value."""
        gone = self._tag_names.add(name)
        if gone is not None:
            self.tags.pop(gone, None)
        if gone != name and name in self._tag_names:
            known = self.tags.setdefault(name, Least(MOST_VALUES))
            for value in values:
                known.add(value)


class Breakdown:
    """A tally for each value of one dimension that is told apart; all further ones share `other`. Mergeable."""

    def __init__(
        self,
        metrics: Sequence[str] = MAIN_METRICS,
        most: int = MOST_VALUES,
        told_apart: Collection[str] | None = None,
    ) -> None:
        """told_apart: those values; None: the first `most` that come."""
        self._metrics, self._most = tuple(metrics), most
        self._told_apart = None if told_apart is None else frozenset(told_apart)
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
        if self._told_apart is not None:
            value = value if value in self._told_apart else OTHER
        elif value not in self.parts and len(self.parts) >= self._most:
            value = OTHER
        if value not in self.parts:
            self.parts[value] = Tally(self._metrics, MOST_FRESH)
        return self.parts[value]


class Dimensions:
    """What exchanges come to by upstream, by client (the name of its key) and by tag. Mergeable."""

    def __init__(self, metrics: Sequence[str] = MAIN_METRICS, values: DimensionValues | None = None) -> None:
        """values: those that are told apart, and no value of further tags; None: the first that come."""
        self._metrics, self._values = tuple(metrics), values
        self.by_upstream = Breakdown(metrics, told_apart=None if values is None else values.upstreams.texts)
        self.by_client = Breakdown(metrics, told_apart=None if values is None else values.clients.texts)
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
        told_apart: Collection[str] | None = None
        if self._values is not None:
            if name not in self._values.tags:
                name = OTHER
            told_apart = self._values.tags[name].texts if name in self._values.tags else ()
        elif name not in self.by_tag and len(self.by_tag) >= MOST_TAG_NAMES:
            name = OTHER
        if name not in self.by_tag:
            self.by_tag[name] = Breakdown(self._metrics, told_apart=told_apart)
        return self.by_tag[name]
