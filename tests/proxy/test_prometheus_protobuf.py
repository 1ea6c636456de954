"""The protocol buffers of `/metrics`, read by Google's library; a real Prometheus reads them in tests/deploy."""

from collections.abc import Iterator
from typing import Any

import pytest
from on_loop import run
from prometheus_client.core import InfoMetricFamily
from scripted_engine import Call

from imaxproxy.metrics import Totals
from imaxproxy.proxy.merged import Gauges, Merged
from imaxproxy.proxy.native_histogram import ZERO_THRESHOLD_S
from imaxproxy.proxy.prometheus import exposition, protobuf_exposition
from imaxproxy.proxy.prometheus_protobuf import delimited
from proxy.prometheus_messages import families
from proxy.running import get, proxied
from proxy.test_prometheus import MERGED, key, samples_of


def samples_in(page: bytes) -> Iterator[tuple[tuple[str, ...], float]]:
    """As `samples_of` has those of the text."""
    for family in families(page):
        for metric in family.metric:
            values = [label.value for label in metric.label]
            if metric.HasField("histogram"):
                histogram = metric.histogram
                yield key(f"{family.name}_count", *values), histogram.sample_count
                yield key(f"{family.name}_sum", *values), histogram.sample_sum
                for bucket in histogram.bucket:
                    bound = "+Inf" if bucket.upper_bound == float("inf") else str(bucket.upper_bound)
                    yield key(f"{family.name}_bucket", *values, bound), bucket.cumulative_count
            else:
                yield key(family.name, *values), (metric.counter if metric.HasField("counter") else metric.gauge).value


def histograms(page: bytes) -> dict[tuple[str, ...], Any]:
    return {
        (family.name, *(label.value for label in metric.label)): metric.histogram
        for family in families(page)
        for metric in family.metric
        if metric.HasField("histogram")
    }


def test_it_says_what_the_text_says() -> None:
    written = dict(samples_of(exposition(MERGED, {"simulated": True})))
    assert dict(samples_in(protobuf_exposition(MERGED, {"simulated": True}))) == written
    assert len(written) > 200


def test_names_helps_and_types_are_those_of_the_text() -> None:
    text = exposition(MERGED, None).decode()
    for family in families(protobuf_exposition(MERGED, None)):
        kind = {0: "counter", 1: "gauge", 4: "histogram"}[family.type]
        assert f"# HELP {family.name} {family.help}\n# TYPE {family.name} {kind}\n" in text


def test_every_histogram_is_a_native_one_too() -> None:
    found = histograms(protobuf_exposition(MERGED, None))
    assert {name for name, *_ in found} == {
        f"imaxproxy_{name}_seconds" for name in ("ttft", "ttfo", "e2e", "itl", "tpot", "loop_lag", "upstream_ttft")
    }
    for histogram in found.values():
        assert histogram.zero_threshold == ZERO_THRESHOLD_S
        assert histogram.schema == 5
    assert found["imaxproxy_upstream_ttft_seconds", "http://a:1"].sample_count == 1
    ttft = found["imaxproxy_ttft_seconds",]  # 100 and 300 ms: 2^(-106 / 32) = 101 ms, 2^(-55 / 32) = 304 ms
    assert [(span.offset, span.length) for span in ttft.positive_span] == [(-106, 1), (50, 1)]
    assert list(ttft.positive_delta) == [1, 0]


def test_one_without_a_value_is_native_as_well() -> None:
    """Else Prometheus would take the first scrapes for those of a classic one."""
    ttft = histograms(protobuf_exposition(Merged(Totals(), Gauges(), 0), None))["imaxproxy_ttft_seconds",]
    assert (ttft.sample_count, ttft.zero_count) == (0, 0)
    assert ttft.zero_threshold > 0


def test_a_kind_that_metrics_does_not_have_is_a_bug_not_a_gap() -> None:
    with pytest.raises(ValueError, match="info"):
        delimited([InfoMetricFamily("imaxproxy_build", "x")])


def test_the_proxy_gives_it_to_who_asks_for_it() -> None:
    async def never(call: Call) -> None:
        raise AssertionError(f"an engine was asked for {call.head!r}")

    async def scenario() -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
        async with proxied(never) as running:
            line = b"Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            return await running.ask(get(b"/metrics", line)), await running.ask(get(b"/metrics"))

    (head, body), (text_head, text) = run(scenario())
    assert b"Content-Type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily" in head
    assert b"Vary: Accept" in head
    assert "imaxproxy_requests_total" in {family.name for family in families(body)}
    assert b"Content-Type: text/plain; version=0.0.4" in text_head
    assert b"imaxproxy_requests_total{" in text
