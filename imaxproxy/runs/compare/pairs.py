"""Two runs of one trace, request by request: which became slower, which ended otherwise."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from imaxproxy.metrics.rank_test import median_interval, signed_rank_p
from imaxproxy.runs.compare.figures import COUNTS, LATENCIES, Figures, Key
from imaxproxy.runs.compare.verdict import Row, judge

RANK_TEST = "paired: Wilcoxon signed-rank; interval of the median ratio by order statistics"


@dataclass(frozen=True, slots=True)
class Pairs:
    """The requests that both runs have."""

    both: list[tuple[Figures, Figures]]
    only_a: int
    only_b: int

    @classmethod
    def of(cls, a: dict[Key, Figures], b: dict[Key, Figures]) -> "Pairs":
        both = [(figures, b[key]) for key, figures in a.items() if key in b]
        return cls(both, len(a) - len(both), len(b) - len(both))

    def rows(self, threshold: float) -> list[Row]:
        """A row a latency: the median over requests of b / a. Left out where no pair has it."""
        return [row for metric in LATENCIES if (row := self._row(metric, threshold)) is not None]

    def _row(self, metric: str, threshold: float) -> Row | None:
        read = LATENCIES[metric]
        found = [(a, b) for left, right in self.both if (a := read(left)) and (b := read(right))]
        if not found:
            return None
        logs = sorted(math.log(b / a) for a, b in found)
        middle, low, high = median_interval(logs)
        change, least, most = math.expm1(middle), math.expm1(low) if math.isfinite(low) else low, math.expm1(high)
        return Row(
            metric=f"{metric.removesuffix('_ms')}, request by request",
            unit="ms",
            a=_median(a for a, _ in found),
            b=_median(b for _, b in found),
            change=change,
            low=least,
            high=most,
            p_value=signed_rank_p(logs),
            method=RANK_TEST,
            verdict=judge(change, least, most, threshold),
        )

    def differences(self) -> dict[str, Any]:
        """What the same requests came to in both: endings, lengths, cached tokens, and how many were slower."""
        outcomes = Counter(f"{a.outcome} to {b.outcome}" for a, b in self.both if a.outcome != b.outcome)
        return {
            "matched": len(self.both),
            "only_in_a": self.only_a,
            "only_in_b": self.only_b,
            "outcome_changed": dict(outcomes.most_common()),
            "finish_reason_changed": sum(a.finish_reason != b.finish_reason for a, b in self.both),
            "output_tokens_changed": sum(a.output_tokens != b.output_tokens for a, b in self.both),
            "input_tokens_changed": sum(a.input_tokens != b.input_tokens for a, b in self.both),
            "output_tokens": _sums(self.both, "output_tokens"),
            "cached_tokens": _sums(self.both, "cached_tokens"),
            "slower_share": {metric: self._slower(metric) for metric in LATENCIES},
        }

    def _slower(self, metric: str) -> float | None:
        read = LATENCIES[metric]
        both = ((read(a), read(b)) for a, b in self.both)
        found = [b > a for a, b in both if a is not None and b is not None]
        return sum(found) / len(found) if found else None


def _sums(both: list[tuple[Figures, Figures]], name: str) -> dict[str, int | None]:
    read = COUNTS[name]
    sides: dict[str, int | None] = {}
    for side, which in (("a", 0), ("b", 1)):
        known = [count for pair in both if (count := read(pair[which])) is not None]
        sides[side] = sum(known) if known else None
    return sides


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
