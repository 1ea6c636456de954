"""The slowest requests of a run, by E2E. Mergeable."""

from heapq import nlargest
from operator import itemgetter
from typing import Any

from imaxproxy.clock import NS_PER_MS
from imaxproxy.metrics import formulas
from imaxproxy.metrics.exchange import Exchange

MOST = 10


class Slowest:
    """Costs an exchange that is none of them one comparison."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, dict[str, Any]]] = []
        """The slowest first."""

    def add(self, exchange: Exchange) -> None:
        e2e_ns = formulas.e2e_ns(exchange) if exchange.ask.dialect is not None else None
        if e2e_ns is not None and (len(self._rows) < MOST or e2e_ns > self._rows[-1][0]):
            self._take([(e2e_ns, _row(exchange, e2e_ns))])

    def merge(self, other: "Slowest") -> None:
        self._take(other._rows)

    def move(self, by_ns: int) -> None:
        """Times to another clock."""
        for _, row in self._rows:
            row["ended_ns"] += by_ns

    def rows(self) -> list[dict[str, Any]]:
        """The slowest first."""
        return [row for _, row in self._rows]

    def _take(self, rows: list[tuple[int, dict[str, Any]]]) -> None:
        self._rows = nlargest(MOST, [*self._rows, *rows], key=itemgetter(0))


def _row(exchange: Exchange, e2e_ns: int) -> dict[str, Any]:
    ttft_ns = formulas.ttft_ns(exchange)
    return {
        "id": exchange.ask.request_id,
        "model": exchange.model,
        "upstream": exchange.ask.upstream,
        "ttft_ms": None if ttft_ns is None else ttft_ns / NS_PER_MS,
        "e2e_ms": e2e_ns / NS_PER_MS,
        "tps": formulas.tps_per_user(exchange),
        "ended_ns": exchange.ended_ns,
    }
