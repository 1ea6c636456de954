"""What an engine itself says of a request's times, beside what we saw of it."""

import math
from array import array
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class EngineTiming:
    """The engine's own times of one request, in ms; None where it does not say.

    vLLM (--enable-per-request-metrics): TTFT from the request's arrival at the server, queueing included; ITL the mean
    between tokens. llama-server: the ITL alone.
    """

    ttft_ms: float | None = None
    itl_ms: float | None = None
    queue_ms: float | None = None


class Differences:
    """Ours less the engine's, of many requests, in ms: what lies between its socket and ours, and who is wrong.

    Mergeable. It keeps both values of each request, 16 bytes: percentiles of differences, and sums that are the same
    in any order, need them all.
    """

    def __init__(self) -> None:
        self._values_ms = array("d")
        self._engines_ms = array("d")

    def add(self, ours_ms: float | None, engines_ms: float | None) -> None:
        """Take a request; one of which either side does not know is left out."""
        if ours_ms is not None and engines_ms is not None:
            self._values_ms.append(ours_ms - engines_ms)
            self._engines_ms.append(engines_ms)

    def merge(self, other: "Differences") -> None:
        self._values_ms.extend(other._values_ms)
        self._engines_ms.extend(other._engines_ms)

    def stats(self) -> dict[str, Any] | None:
        """None when there was no request that both sides know."""
        count = len(self._values_ms)
        if not count:
            return None
        ordered = sorted(self._values_ms)
        at = {name: ordered[min(count - 1, math.ceil(share * count) - 1)] for name, share in _QUANTILES.items()}
        mean_ms = math.fsum(ordered) / count
        return {
            "count": count,
            "engines_mean_ms": math.fsum(self._engines_ms) / count,
            "mean_ms": mean_ms,
            "min_ms": ordered[0],
            "max_ms": ordered[-1],
            **at,
        }


_QUANTILES = {"p50_ms": 0.5, "p99_ms": 0.99}
