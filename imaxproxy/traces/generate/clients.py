"""A mix of clients, as ServeGen found it in production: a few send most, each in its own rhythm and size."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace

from imaxproxy.traces.generate.common import exact
from imaxproxy.traces.generate.distribution import Distribution, zipf_weights
from imaxproxy.traces.generate.draws import Draws
from imaxproxy.traces.generate.presets import take_distribution
from imaxproxy.traces.generate.table import Table
from imaxproxy.traces.generate.thinking import Thinking
from imaxproxy.traces.row import TraceRow

_CV = {"distribution": "lognormal", "median": 1.03, "sigma": 1.05, "min": 0.1, "max": 20}
"""Median 1.03 and p90 3.95 over the clients' windows of DeepSeek-R1 at Bailian."""


@dataclass(frozen=True)
class Clients:
    """Gaps of each client are gamma with its own CV; shares fall by rank as a Zipf law. One stream, in time order.

    Client 1 of 73 sends 28.6 % and the first ten 67.7 % at Bailian: zipf_alpha 1.2 gives 30 % and 72 %.
    """

    requests: int
    clients: int
    rate_per_s: float
    zipf_alpha: float
    cv: Distribution
    size_spread: Distribution
    input: Distribution
    output: Distribution | None
    thinking: Thinking | None
    """One of the two: plain answers, or answers that think first."""

    @classmethod
    def parse(cls, table: Table) -> "Clients":
        preset = table.text("lengths", "-")
        default = None if preset == "-" else preset
        reasons = table.flag("reasoning", False)
        return cls(
            requests=table.whole("requests", least=1),
            clients=table.whole("clients", least=1, most=100_000),
            rate_per_s=table.number("rate_per_s", least=1e-6),
            zipf_alpha=table.number("zipf_alpha", 1.2, most=10),
            cv=take_distribution(table, "cv", _CV),
            size_spread=take_distribution(table, "size_spread", 1),
            input=take_distribution(table, "input", default),
            output=None if reasons else take_distribution(table, "output", default),
            thinking=Thinking.parse(table, default) if reasons else None,
        )

    def stamped(self, seed: int) -> Iterator[TraceRow]:
        """Rows with stamps: the arrivals are the clients' own."""
        merged = heapq.merge(*(self._client(seed, client) for client in range(self.clients)), key=_stamp)
        for number, row in zip(range(self.requests), merged, strict=False):
            yield replace(row, request_id=f"request-{number}")

    def _client(self, seed: int, client: int) -> Iterator[TraceRow]:
        cumulative = zipf_weights(self.zipf_alpha, self.clients)
        share = (cumulative[client] - (cumulative[client - 1] if client else 0.0)) / cumulative[-1]
        traits = Draws(seed, f"clients/{client}/traits")
        cv, size = self.cv(traits), self.size_spread(traits)
        gaps, lengths = Draws(seed, f"clients/{client}/gaps"), Draws(seed, f"clients/{client}/lengths")
        shape, mean_gap_s = 1.0 / cv**2, 1.0 / (self.rate_per_s * share)
        at_s = mean_gap_s * gaps.share()  # each starts somewhere in its first gap, not all at once
        while True:
            yield self._row(lengths, client, size, at_s)
            at_s += mean_gap_s * gaps.gamma(shape) / shape

    def _row(self, draws: Draws, client: int, size: float, at_s: float) -> TraceRow:
        tokens = max(1, round(self.input(draws) * size))
        stamp, tags = round(at_s * 1000, 3), {"client": client}
        if self.output is not None:
            return exact("", tokens, self.output.tokens(draws), timestamp_ms=stamp, tags=tags)
        assert self.thinking is not None
        answer = self.thinking.answer(draws)
        return exact(
            "",
            tokens,
            answer.output,
            reasoning_length=answer.reasoning,
            timestamp_ms=stamp,
            tags=tags | answer.tags,
            extra=answer.extra,
        )


def _stamp(row: TraceRow) -> float:
    return row.timestamp_ms or 0.0
