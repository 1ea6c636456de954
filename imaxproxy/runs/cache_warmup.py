"""The requests that only filled caches: what became of them, and how long they took. No metric holds them."""

from collections import Counter
from typing import Any

from imaxproxy.metrics import Exchange, Outcome, seconds


class CacheWarmup:
    """Takes every exchange of the warm-up. Mergeable."""

    def __init__(self) -> None:
        self._outcomes: Counter[Outcome] = Counter()
        self._input_tokens = 0
        self._begun_ns: int | None = None
        self._ended_ns = 0

    def add(self, exchange: Exchange) -> None:
        self._outcomes[exchange.outcome] += 1
        self._input_tokens += exchange.usage.input_tokens or 0
        self._stretch(exchange.ask.started_ns, exchange.ended_ns)

    def merge(self, other: "CacheWarmup") -> None:
        self._outcomes.update(other._outcomes)
        self._input_tokens += other._input_tokens
        if other._begun_ns is not None:
            self._stretch(other._begun_ns, other._ended_ns)

    def _stretch(self, begun_ns: int, ended_ns: int) -> None:
        self._begun_ns = begun_ns if self._begun_ns is None else min(begun_ns, self._begun_ns)
        self._ended_ns = max(ended_ns, self._ended_ns)

    def stats(self) -> dict[str, Any] | None:
        """`cache_warmup` of summary.json; None where there was none. Durations from first begin to last end."""
        if self._begun_ns is None:
            return None
        completed = self._outcomes[Outcome.COMPLETED]
        return {
            "requests": self._outcomes.total(),
            "completed": completed,
            "failed": self._outcomes.total() - completed,
            "input_tokens": self._input_tokens,
            "duration_s": seconds(self._ended_ns - self._begun_ns),
        }
