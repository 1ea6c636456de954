"""Requests that their client gives up: a share of them, after so many tokens or so long."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from imaxproxy.errors import UsageError
from imaxproxy.metrics import WARMUP
from imaxproxy.traces.generate.distribution import Distribution
from imaxproxy.traces.generate.draws import Draws
from imaxproxy.traces.generate.presets import take_distribution
from imaxproxy.traces.generate.table import Table
from imaxproxy.traces.row import TraceRow


@dataclass(frozen=True)
class Cancellations:
    """Sets `cancel_after_tokens` or `cancel_after_ms`; the player obeys."""

    share: float
    after_tokens: Distribution | None
    after_ms: Distribution | None

    @classmethod
    def parse(cls, table: Table) -> "Cancellations":
        cancellations = cls(
            table.number("share", most=1.0),
            take_distribution(table, "after_tokens") if table.has("after_tokens") else None,
            take_distribution(table, "after_ms") if table.has("after_ms") else None,
        )
        table.close()
        if (cancellations.after_tokens is None) == (cancellations.after_ms is None):
            raise UsageError(f"{table.where}: give either `after_tokens` or `after_ms`")
        return cancellations

    def apply(self, rows: Iterable[TraceRow], seed: int) -> Iterator[TraceRow]:
        draws = Draws(seed, "cancel")
        for row in rows:
            cancelled = row.request_kind != WARMUP and draws.share() < self.share
            if not cancelled:
                yield row
            elif self.after_tokens is not None:
                yield replace(row, cancel_after_tokens=self.after_tokens.tokens(draws))
            elif self.after_ms is not None:
                yield replace(row, cancel_after_ms=round(max(0.0, self.after_ms(draws)), 3))
