import pytest

from imaxproxy.proxy.metrics_form import PROTOBUF, TEXT, MetricsForm, metrics_form

_PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
_TEXTS = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", TEXT),
        ("*/*", TEXT),  # curl
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TEXT),  # a browser
        (_TEXTS, TEXT),  # Prometheus that keeps no native histograms
        (f"{_PROTOBUF},{_TEXTS}", PROTOBUF),  # and one that does (2.40 and later)
        (f"{_PROTOBUF};q=0.6,application/openmetrics-text;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", PROTOBUF),
        (f"application/openmetrics-text;q=0.6,text/plain;version=0.0.4;q=0.4,{_PROTOBUF};q=0.3,*/*;q=0.2", TEXT),
        (f"{_PROTOBUF}, text/plain", TEXT),  # both as gladly
        (
            _PROTOBUF.replace(";", " ; ").replace("delimited", '"delimited"').replace("application", "APPLICATION"),
            PROTOBUF,
        ),
        (f"{_PROTOBUF};q=often,text/plain;q=0.9", PROTOBUF),
        (f"{_PROTOBUF};q=0", TEXT),
        (_PROTOBUF.replace("delimited", "text"), TEXT),  # a form that is not ours
        ("application/vnd.google.protobuf", TEXT),
        (";;,=,;q=", TEXT),
    ],
)
def test_a_scraper_gets_what_it_likes_best(accept: str, form: MetricsForm) -> None:
    assert metrics_form(accept) is form
