"""In which form a scraper gets `/metrics`: it says what it takes in `Accept`, and how gladly."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetricsForm:
    """A page of the board, and how it is called in HTTP."""

    page: str
    content_type: str


TEXT = MetricsForm("metrics", "text/plain; version=0.0.4; charset=utf-8")
PROTOBUF = MetricsForm(
    "metrics-protobuf", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)
"""Holds native histograms too. Only for who names it: a Prometheus that stores these does, browsers do not."""


def metrics_form(accept: str) -> MetricsForm:
    """The more welcome of the two; the text where both are, or nothing is said (RFC 9110, section 12.5.1)."""
    text = protobuf = 0.0
    for part in accept.split(","):
        range_, _, rest = part.partition(";")
        given = dict(_parameter(each) for each in rest.split(";"))
        match range_.strip().lower():
            case "text/plain" | "text/*" | "*/*":
                text = max(text, _weight(given))
            case "application/vnd.google.protobuf" if _is_ours(given):
                protobuf = max(protobuf, _weight(given))
    return PROTOBUF if protobuf > text else TEXT


def _parameter(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip().lower(), value.strip().strip('"')


def _is_ours(given: dict[str, str]) -> bool:
    return given.get("proto") == "io.prometheus.client.MetricFamily" and given.get("encoding") == "delimited"


def _weight(given: dict[str, str]) -> float:
    """What is no number is as good as nothing said: it counts as 1."""
    try:
        return float(given.get("q", 1.0))
    except ValueError:
        return 1.0
