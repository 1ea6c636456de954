"""A frozen window: what was counted between two snapshots, as figures of its own."""

from dataclasses import dataclass, replace

from imaxproxy.live.screen.distribution import minus, percentile
from imaxproxy.live.snapshot import METRICS, Block, Figures, Snapshot


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` to `end`; to now while `end` is None."""

    start: Snapshot
    end: Snapshot | None = None

    def closed(self, end: Snapshot) -> "Window":
        """Either end may have been marked first: a paused screen goes back."""
        start, end = sorted((self.start, end), key=lambda each: each.elapsed_s)
        return replace(self, start=start, end=end)

    def figures(self, shown: Snapshot) -> Figures:
        """Rates and distributions of what was counted within; percentiles are as fine as the buckets are."""
        end = self.end or shown
        span_s = self.span_s(shown)
        return Figures(
            _per_s(end.requests["completed"] - self.start.requests["completed"], span_s),
            _per_s(_more(end, self.start, ("output",)), span_s),
            _per_s(_more(end, self.start, ("input", "output")), span_s),
            None,
            {name: _between(end.run.block(name), self.start.run.block(name)) for name, _, _ in METRICS},
        )

    def span_s(self, shown: Snapshot) -> float:
        return max((self.end or shown).elapsed_s - self.start.elapsed_s, 0.0)


def _more(end: Snapshot, start: Snapshot, names: tuple[str, ...]) -> float | None:
    total = 0.0
    for name in names:
        later, earlier = end.tokens.get(name), start.tokens.get(name)
        if later is None:
            return None
        total += later - (earlier or 0)
    return total


def _per_s(more: float | None, span_s: float) -> float | None:
    return more / span_s if more is not None and span_s > 0 else None


def _between(later: Block, earlier: Block) -> Block:
    buckets = minus(later.buckets, earlier.buckets)
    count = sum(count for _, count in buckets)
    if not count:
        return Block()
    p50, p90, p99, p10, p1 = (percentile(buckets, rank) for rank in (0.5, 0.9, 0.99, 0.1, 0.01))
    mean = None
    if later.mean is not None and later.count > earlier.count:
        mean = (later.mean * later.count - (earlier.mean or 0.0) * earlier.count) / (later.count - earlier.count)
    return Block(count, p50, p90, p99, mean, p10, p1, buckets)
