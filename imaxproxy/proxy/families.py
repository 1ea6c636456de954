"""The metric families of `/metrics`, all named `imaxproxy_...`, as prometheus_client takes them."""

from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from imaxproxy.metrics import Histogram

US_PER_S = 1_000_000
_Family = TypeVar("_Family", CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily)


def counter(name: str, help_: str, value: float) -> Metric:
    return CounterMetricFamily(f"imaxproxy_{name}", help_, value=value)


def gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"imaxproxy_{name}", help_, value=value)


def family(kind: type[_Family], name: str, help_: str, labels: tuple[str, ...]) -> _Family:
    return kind(f"imaxproxy_{name}", help_, labels=labels)


def histogram(name: str, help_: str, counted: Histogram, bounds_s: tuple[float, ...]) -> Metric:
    """Cumulative counts at each bound; ours are finer, so a bucket at a bound may be 0.1 % of its value off."""
    made = HistogramMetricFamily(f"imaxproxy_{name}_seconds", help_)
    made.add_metric((), buckets(counted, bounds_s), counted.weighted_sum / US_PER_S)
    return made


def buckets(counted: Histogram, bounds_s: tuple[float, ...]) -> list[tuple[str, float]]:
    """(`le`, cumulative count) of a histogram of microseconds."""
    counts = counted.counts_up_to([round(bound * US_PER_S) for bound in bounds_s])
    edges = [(str(float(bound)), float(count)) for bound, count in zip(bounds_s, counts, strict=True)]
    return [*edges, ("+Inf", float(counted.total))]
