"""The metric families of `/metrics`, all named `imaxproxy_...`, as prometheus_client takes them."""

from dataclasses import dataclass
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from imaxproxy.metrics import Histogram

US_PER_S = 1_000_000
_Family = TypeVar("_Family", CounterMetricFamily, GaugeMetricFamily)


def counter(name: str, help_: str, value: float) -> Metric:
    return CounterMetricFamily(f"imaxproxy_{name}", help_, value=value)


def gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"imaxproxy_{name}", help_, value=value)


def family(kind: type[_Family], name: str, help_: str, labels: tuple[str, ...]) -> _Family:
    return kind(f"imaxproxy_{name}", help_, labels=labels)


@dataclass(frozen=True, slots=True)
class Distribution:
    """One histogram of a family."""

    labels: dict[str, str]
    counted: Histogram
    """Microseconds."""
    buckets: list[tuple[str, float]]
    """(`le` in seconds, cumulative count). Ours are finer, so a bucket at a bound may be 0.1 % of its value off."""

    @property
    def sum_s(self) -> float:
        return self.counted.weighted_sum / US_PER_S


class Distributions(HistogramMetricFamily):
    """A family of classic histograms that remembers what they were made of."""

    def __init__(self, name: str, help_: str, bounds_s: tuple[float, ...], labels: tuple[str, ...] = ()) -> None:
        super().__init__(f"imaxproxy_{name}_seconds", help_, labels=labels)
        self._bounds_s, self._names = bounds_s, labels
        self.distributions: list[Distribution] = []

    def add(self, counted: Histogram, values: tuple[str, ...] = ()) -> None:
        """values: of the labels."""
        labels = dict(zip(self._names, values, strict=True))
        made = Distribution(labels, counted, _buckets(counted, self._bounds_s))
        self.distributions.append(made)
        self.add_metric(values, made.buckets, made.sum_s)


def histogram(name: str, help_: str, counted: Histogram, bounds_s: tuple[float, ...]) -> Metric:
    made = Distributions(name, help_, bounds_s)
    made.add(counted)
    return made


def _buckets(counted: Histogram, bounds_s: tuple[float, ...]) -> list[tuple[str, float]]:
    counts = counted.counts_up_to([round(bound * US_PER_S) for bound in bounds_s])
    edges = [(str(float(bound)), float(count)) for bound, count in zip(bounds_s, counts, strict=True)]
    return [*edges, ("+Inf", float(counted.total))]
