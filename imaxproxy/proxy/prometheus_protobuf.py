"""`/metrics` as Prometheus' protocol buffers: what the text says, and native histograms, for which it has no room.

The messages are `io.prometheus.client` of prometheus/client_model; field numbers stand in its metrics.proto.
"""

from collections.abc import Callable, Iterable

from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from imaxproxy.proxy.families import Distribution, Distributions
from imaxproxy.proxy.native_histogram import ZERO_THRESHOLD_S, NativeHistogram
from imaxproxy.proxy.protobuf import all_signed, double, message, signed, text, unsigned, varint

_COUNTER, _GAUGE, _HISTOGRAM = 0, 1, 4
"""MetricType."""


def delimited(families: Iterable[Metric]) -> bytes:
    """A MetricFamily each, behind its length. Raises ValueError for a type that no family of `/metrics` has."""
    return b"".join(varint(len(made)) + made for made in map(_family, families))


def _family(family: Metric) -> bytes:
    match family.type:
        case "counter":
            return _named(f"{family.name}_total", family, _COUNTER) + _values(family, _counter)
        case "gauge":
            return _named(family.name, family, _GAUGE) + _values(family, _gauge)
        case "histogram" if isinstance(family, Distributions):
            metrics = (message(4, _labels(each.labels) + message(7, _histogram(each))) for each in family.distributions)
            return _named(family.name, family, _HISTOGRAM) + b"".join(metrics)
    raise ValueError(f"{family.name} is of type {family.type}")


def _named(name: str, family: Metric, type_: int) -> bytes:
    return text(1, name) + text(2, family.documentation) + unsigned(3, type_)


def _values(family: Metric, made: Callable[[Sample], bytes]) -> bytes:
    return b"".join(message(4, _labels(sample.labels) + made(sample)) for sample in family.samples)


def _gauge(sample: Sample) -> bytes:
    return message(2, double(1, sample.value))


def _counter(sample: Sample) -> bytes:
    return message(3, double(1, sample.value))


def _labels(labels: dict[str, str]) -> bytes:
    return b"".join(message(1, text(1, name) + text(2, value)) for name, value in labels.items())


def _histogram(each: Distribution) -> bytes:
    """Both kinds: a scraper takes the native one if it was told to, else the classic one."""
    native = NativeHistogram.of(each.counted)
    classic = (message(3, unsigned(1, int(count)) + double(2, float(bound))) for bound, count in each.buckets)
    spans = (message(12, signed(1, offset) + unsigned(2, length)) for offset, length in native.spans)
    return b"".join(
        (
            unsigned(1, each.counted.total),
            double(2, each.sum_s),
            *classic,
            signed(5, native.schema),
            double(6, ZERO_THRESHOLD_S),
            unsigned(7, native.zero_count),
            *spans,
            all_signed(13, native.deltas),
        )
    )
