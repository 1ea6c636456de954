"""What has to be known of all exchanges of a run before they can be counted: its windows, and what is told apart."""

from copy import copy

from imaxproxy.metrics import MOST_VALUES, DimensionValues, Exchange, Least, Trim, WindowFinder
from imaxproxy.runs.cache_warmup import CacheWarmup
from imaxproxy.runs.rates import Rates


class Outline:
    """Takes exchanges in any order, those whose Timeline is an outline too. Mergeable, in any order."""

    def __init__(self, trim: Trim) -> None:
        self.finder = WindowFinder(trim)
        self.rates = Rates()
        self.cache_warmup = CacheWarmup()
        self.values = DimensionValues()
        self.models = Least(MOST_VALUES)
        """The names under which engines answered."""

    def add(self, exchange: Exchange) -> None:
        self.finder.add(exchange)
        self.rates.add(exchange)
        self.values.add(exchange)
        if exchange.model is not None and exchange.ask.dialect is not None:
            self.models.add(exchange.model)

    def merge(self, other: "Outline") -> None:
        self.finder.merge(other.finder)
        self.rates.merge(other.rates)
        self.cache_warmup.merge(other.cache_warmup)
        self.values.merge(other.values)
        self.models.merge(other.models)

    def extent(self) -> "Outline":
        """What another machine needs of it: its size does not grow with the number of requests."""
        light = copy(self)
        light.finder = self.finder.extent()
        return light
