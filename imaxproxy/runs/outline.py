"""What has to be known of all exchanges of a run before they can be counted: its windows, and what is told apart."""

from copy import copy

from imaxproxy.metrics import DimensionValues, Exchange, Trim, WindowFinder
from imaxproxy.runs.cache_warmup import CacheWarmup
from imaxproxy.runs.rates import Rates


class Outline:
    """Takes exchanges in any order, those whose Timeline is an outline too. Mergeable, in any order."""

    def __init__(self, trim: Trim) -> None:
        self.finder = WindowFinder(trim)
        self.rates = Rates()
        self.cache_warmup = CacheWarmup()
        self.values = DimensionValues()

    def add(self, exchange: Exchange) -> None:
        self.finder.add(exchange)
        self.rates.add(exchange)
        self.values.add(exchange)

    def merge(self, other: "Outline") -> None:
        self.finder.merge(other.finder)
        self.rates.merge(other.rates)
        self.cache_warmup.merge(other.cache_warmup)
        self.values.merge(other.values)

    def extent(self) -> "Outline":
        """What another machine needs of it: its size does not grow with the number of requests."""
        light = copy(self)
        light.finder = self.finder.extent()
        return light
