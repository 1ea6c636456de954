"""What each worker of a run saw by itself, for the shares of which several machines played one each."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from imaxproxy.clock import NS_PER_US
from imaxproxy.metrics import Exchange, Histogram, Outcome, formulas


@dataclass(slots=True)
class SharePart:
    """One worker's, or several's, own figures."""

    requests: int = 0
    completed: int = 0
    ttft_ms: Histogram = field(default_factory=Histogram)
    send_lag_ms: Histogram = field(default_factory=Histogram)

    def add(self, exchange: Exchange) -> None:
        self.requests += 1
        self.completed += exchange.outcome is Outcome.COMPLETED
        for histogram, value_ns in (
            (self.ttft_ms, formulas.ttft_ns(exchange)),
            (self.send_lag_ms, formulas.send_lag_ns(exchange)),
        ):
            if value_ns is not None:
                histogram.record(round(value_ns / NS_PER_US))

    def merge(self, other: "SharePart") -> None:
        self.requests += other.requests
        self.completed += other.completed
        self.ttft_ms.merge(other.ttft_ms)
        self.send_lag_ms.merge(other.send_lag_ms)


class ShareSums:
    """Takes every exchange after `begin` has named the worker whose journal it stands in. Mergeable."""

    def __init__(self) -> None:
        self._parts: dict[int, SharePart] = {}
        self._part = SharePart()

    def begin(self, worker: int) -> None:
        """What comes next is this worker's."""
        self._part = self._parts.setdefault(worker, SharePart())

    def add(self, exchange: Exchange) -> None:
        self._part.add(exchange)

    def merge(self, other: "ShareSums") -> None:
        for worker, part in other._parts.items():
            self._parts.setdefault(worker, SharePart()).merge(part)

    def of_workers(self, workers: Iterable[int]) -> SharePart:
        """These together."""
        whole = SharePart()
        for worker in workers:
            if worker in self._parts:
                whole.merge(self._parts[worker])
        return whole
