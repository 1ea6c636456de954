"""Were prompts as long as the trace says? What was planned, held against what the engine counted."""

from typing import Any

from imaxproxy.metrics import Exchange


class PromptLengths:
    """Takes every exchange; those whose plan or count is unknown are left out. Mergeable."""

    def __init__(self) -> None:
        self._compared = self._exact = 0
        self._planned_tokens = self._counted_tokens = 0
        self._worst_tokens = 0

    def add(self, exchange: Exchange) -> None:
        planned, counted = exchange.ask.planned_input_tokens, exchange.usage.input_tokens
        if planned is None or counted is None:
            return
        self._compared += 1
        self._exact += planned == counted
        self._planned_tokens += planned
        self._counted_tokens += counted
        self._worst_tokens = _worse(self._worst_tokens, counted - planned)

    def merge(self, other: "PromptLengths") -> None:
        self._compared += other._compared
        self._exact += other._exact
        self._planned_tokens += other._planned_tokens
        self._counted_tokens += other._counted_tokens
        self._worst_tokens = _worse(self._worst_tokens, other._worst_tokens)

    def stats(self) -> dict[str, Any] | None:
        """`prompt_lengths` of summary.json; None where nothing could be compared.

        counted_over_planned: tokens the engine counted / tokens the trace asks for.  worst_error_tokens: the largest
        difference of one request, counted minus planned.
        """
        if not self._compared:
            return None
        return {
            "compared": self._compared,
            "exact": self._exact,
            "counted_over_planned": self._counted_tokens / self._planned_tokens if self._planned_tokens else None,
            "worst_error_tokens": self._worst_tokens,
        }


def _worse(one_tokens: int, other_tokens: int) -> int:
    """The larger error; of two that are as large, the one that is too long."""
    return max(one_tokens, other_tokens, key=lambda tokens: (abs(tokens), tokens))
