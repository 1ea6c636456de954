"""Two runs of one trace, request by request: which became slower, which ended otherwise."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import ne
from typing import Any

from imaxproxy.metrics.rank_test import median_interval, signed_rank_p
from imaxproxy.runs.compare.figures import LATENCIES, Columns, Figures, Key
from imaxproxy.runs.compare.verdict import Row, judge

RANK_TEST = "paired: Wilcoxon signed-rank; interval of the median ratio by order statistics"


@dataclass(frozen=True, slots=True)
class Pairs:
    """The requests that both runs have, as columns: the n-th value of each is of the n-th request."""

    a: Columns
    b: Columns
    only_a: int
    only_b: int

    @classmethod
    def of(cls, a: dict[Key, Figures], b: dict[Key, Figures]) -> "Pairs":
        both = [key for key in a if key in b]
        of_a, of_b = (Columns.of([side[key] for key in both]) for side in (a, b))
        return cls(of_a, of_b, len(a) - len(both), len(b) - len(both))

    def __len__(self) -> int:
        return len(self.a.outcome)

    def rows(self, threshold: float) -> list[Row]:
        """A row a latency: the median over requests of b / a. Left out where no pair has it."""
        return [row for metric in LATENCIES if (row := self._row(metric, threshold)) is not None]

    def _row(self, metric: str, threshold: float) -> Row | None:
        both = zip(getattr(self.a, metric), getattr(self.b, metric), strict=True)
        found = [(before, after) for before, after in both if before and after]
        if not found:
            return None
        logs = sorted([math.log(after / before) for before, after in found])
        middle, low, high = median_interval(logs)
        change, least, most = math.expm1(middle), math.expm1(low) if math.isfinite(low) else low, math.expm1(high)
        return Row(
            metric=f"{metric.removesuffix('_ms')}, request by request",
            unit="ms",
            a=_median([before for before, _ in found]),
            b=_median([after for _, after in found]),
            change=change,
            low=least,
            high=most,
            p_value=signed_rank_p(logs),
            method=RANK_TEST,
            verdict=judge(change, least, most, threshold),
        )

    def differences(self) -> dict[str, Any]:
        """What the same requests came to in both: endings, lengths, cached tokens, and how many were slower."""
        a, b = self.a, self.b
        changed = Counter(
            (before, after) for before, after in zip(a.outcome, b.outcome, strict=True) if before != after
        )
        return {
            "matched": len(self),
            "only_in_a": self.only_a,
            "only_in_b": self.only_b,
            "outcome_changed": {f"{before} to {after}": count for (before, after), count in changed.most_common()},
            "finish_reason_changed": sum(map(ne, a.finish_reason, b.finish_reason)),
            "output_tokens_changed": sum(map(ne, a.output_tokens, b.output_tokens)),
            "input_tokens_changed": sum(map(ne, a.input_tokens, b.input_tokens)),
            "output_tokens": {"a": _sum(a.output_tokens), "b": _sum(b.output_tokens)},
            "cached_tokens": {"a": _sum(a.cached_tokens), "b": _sum(b.cached_tokens)},
            "slower_share": {metric: _slower(getattr(a, metric), getattr(b, metric)) for metric in LATENCIES},
        }


def _slower(a: Sequence[float | None], b: Sequence[float | None]) -> float | None:
    found = [after > before for before, after in zip(a, b, strict=True) if before is not None and after is not None]
    return sum(found) / len(found) if found else None


def _sum(counts: Sequence[int | None]) -> int | None:
    """Of what is known; None where nothing is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
