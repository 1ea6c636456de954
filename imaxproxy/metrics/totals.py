"""All that ended of a run that goes on, and how the meter fared. Mergeable: workers hand on what they counted."""

from collections import Counter

from imaxproxy.metrics.by_model import ByModel
from imaxproxy.metrics.dimensions import Dimensions
from imaxproxy.metrics.exchange import CountedBy, Exchange
from imaxproxy.metrics.health import HealthSample
from imaxproxy.metrics.meter_health import MeterHealth
from imaxproxy.metrics.slo import Objective, SloTally
from imaxproxy.metrics.slowest import Slowest
from imaxproxy.metrics.tally import Tally

_PART_METRICS = ("ttft_ms", "tpot_ms", "tps_per_user", "e2e_ms")
"""Live, by upstream, key and tag: those with one value a request. The summary has ITL by tag too."""


class Totals:
    """A part of it can be handed on and counted there."""

    def __init__(self, objectives: tuple[Objective, ...] = ()) -> None:
        """objectives: what good service is, where somebody said; the same for all that are merged."""
        self.slo = SloTally(objectives) if objectives else None
        self.tally = Tally()
        self.dimensions = Dimensions(_PART_METRICS)
        self.health = MeterHealth()
        self.refused: Counter[str] = Counter()
        """Requests that stand in no journal, by why."""
        self.retried: Counter[str] = Counter()
        """Requests that we put to an engine a second time, by why."""
        self.models = ByModel(_PART_METRICS, self.tally)
        self.slowest = Slowest()
        self.shared_tokens = self.shared_events = 0
        """Of streams whose engine told the tokens at the end: what an event holds in the mean (docs/live.md)."""

    def add(self, exchange: Exchange) -> None:
        self.models.add(exchange)
        self.tally.add(exchange)
        self.slowest.add(exchange)
        if self.slo is not None:
            self.slo.add(exchange)
        if exchange.counted_by is CountedBy.USAGE and len(exchange.timeline):
            self.shared_tokens += exchange.output_tokens or 0
            self.shared_events += len(exchange.timeline)
        self.dimensions.add(exchange)
        if exchange.ask.retried is not None:
            self.retried[exchange.ask.retried] += 1

    def add_health(self, sample: HealthSample) -> None:
        self.health.add(sample)

    def take_refused(self, refused: Counter[str]) -> None:
        """What was counted elsewhere counts here from now on."""
        self.refused.update(refused)
        refused.clear()

    def merge(self, other: "Totals") -> None:
        self.models.merge(other.models)
        self.slowest.merge(other.slowest)
        if self.slo is not None and other.slo is not None:
            self.slo.merge(other.slo)
        self.shared_tokens += other.shared_tokens
        self.shared_events += other.shared_events
        self.tally.merge(other.tally)
        self.dimensions.merge(other.dimensions)
        self.health.merge(other.health)
        self.refused.update(other.refused)
        self.retried.update(other.retried)
