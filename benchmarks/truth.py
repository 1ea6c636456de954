"""What the source did, from its truth file, and what a contestant says it saw: the same figures of both."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path


@dataclass(frozen=True)
class Figures:
    """Latencies in ms, None where a contestant reports none."""

    ttft_p50_ms: float | None = None
    ttft_p99_ms: float | None = None
    itl_p50_ms: float | None = None
    itl_p99_ms: float | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Truth:
    """Figures of the measured requests; events and CPU time of all that the source sent, warm-ups included."""

    figures: Figures
    events: int
    incomplete: int
    first_request_ns: int
    source_cpu_s: float
    late_mean_us: float
    late_max_us: float


def percentile(ordered: Sequence[int], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def read_truth(path: Path, measured_requests: int) -> Truth:
    """Read a truth file. The last `measured_requests` to arrive are the measured ones, those before them warm-ups."""
    *requests, summary = map(json.loads, path.read_text().splitlines())
    requests.sort(key=lambda request: request["in_ns"])
    measured = [request for request in requests[-measured_requests:] if request["events"]]
    if not measured:
        raise ValueError("no request reached the source")
    ttfts_ns = sorted(request["first_ns"] - request["in_ns"] for request in measured)
    gaps_ns = sorted(chain.from_iterable(request["gaps_ns"] for request in measured)) or [0]
    return Truth(
        Figures(
            percentile(ttfts_ns, 0.5) / 1e6,
            percentile(ttfts_ns, 0.99) / 1e6,
            percentile(gaps_ns, 0.5) / 1e6,
            percentile(gaps_ns, 0.99) / 1e6,
            sum(request["events"] for request in measured),
        ),
        summary["events"],
        sum(not request["complete"] for request in requests),
        requests[0]["in_ns"],
        summary["cpu_s"],
        summary["late_mean_us"],
        summary["late_max_us"],
    )
