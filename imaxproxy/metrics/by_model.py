"""Exchanges by the model that answered. Mergeable. While there is one model only, it costs nothing."""

from collections.abc import Mapping, Sequence

from imaxproxy.metrics.dimensions import Breakdown
from imaxproxy.metrics.exchange import Exchange
from imaxproxy.metrics.tally import Tally


class ByModel:
    """With one model its part is the whole tally, so nothing is counted twice until a second one answers.

    What failed without an answer has no model: while there is one it counts as that one's, later as nobody's.
    """

    def __init__(self, metrics: Sequence[str], whole: Tally) -> None:
        """whole: the tally of all; whoever owns both adds to it behind this one."""
        self._whole, self._metrics = whole, tuple(metrics)
        self._only: str | None = None
        self._parts: Breakdown | None = None

    def add(self, exchange: Exchange) -> None:
        """Before `whole` takes it in."""
        model = exchange.model
        if model is None or exchange.ask.dialect is None:
            return
        if self._only is None:
            self._only = model
        if self._parts is None and model != self._only:
            self._parts = self._split()
        if self._parts is not None:
            self._parts.add(model, exchange)

    def merge(self, other: "ByModel") -> None:
        """Before `whole` takes in the other's."""
        theirs = other.parts()
        if self._only is None and other._only is not None:
            self._only = other._only
        if self._parts is None and (other._parts is not None or (other._only or self._only) != self._only):
            self._parts = self._split()
        if self._parts is not None:
            for model, tally in theirs.items():
                self._parts.take(model, tally)

    def parts(self) -> Mapping[str, Tally]:
        if self._parts is not None:
            return self._parts.parts
        return {} if self._only is None else {self._only: self._whole}

    def _split(self) -> Breakdown:
        parts = Breakdown(self._metrics)
        if self._only is not None:
            parts.take(self._only, self._whole)
        return parts
