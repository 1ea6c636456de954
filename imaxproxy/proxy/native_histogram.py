"""A histogram as Prometheus' native ones are: buckets whose width grows with what is in them, empty ones left out."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from imaxproxy.metrics import Histogram

FINEST_SCHEMA = 5
"""2^5 buckets for each doubling: 2.2 % wide."""
MOST_BUCKETS = 160
"""What Prometheus' own clients are usually told to keep to; more are joined in pairs, to 4.4, 9.1, 19 % and so on."""
ZERO_THRESHOLD_S = 2.0**-20
"""What is shorter than the microsecond in which we count lies in the zero bucket. A bound of every schema from 0 on."""
_INDICES = range(-20 << FINEST_SCHEMA, (12 << FINEST_SCHEMA) + 1)
"""From the zero bucket to more than an hour, where our own buckets end."""
_BOUNDS_US = [int(2 ** (index / (1 << FINEST_SCHEMA)) * 1_000_000) for index in _INDICES]


@dataclass(frozen=True, slots=True)
class NativeHistogram:
    """Bucket i holds values v, in seconds, with 2^((i - 1) / 2^schema) < v <= 2^(i / 2^schema)."""

    schema: int
    zero_count: int
    spans: tuple[tuple[int, int], ...]
    """Runs of buckets: how many are left out since the last run (in the first: its index), and how many follow."""
    deltas: tuple[int, ...]
    """Of each bucket in the runs: by how much it holds more than the one before."""

    @classmethod
    def of(cls, counted: Histogram) -> "NativeHistogram":
        """counted: microseconds. Each of its buckets (0.1 % wide) goes, whole, where its upper edge lies."""
        schema, up_to = FINEST_SCHEMA, counted.counts_up_to(_BOUNDS_US)
        rises = zip(_INDICES[1:], (count - below for below, count in pairwise(up_to)), strict=True)
        counts = Counter({index: rise for index, rise in rises if rise})
        while len(counts) > MOST_BUCKETS:
            schema -= 1
            counts = _joined(counts)
        return cls(schema, up_to[0], tuple(_spans(sorted(counts))), tuple(_deltas(counts)))


def _joined(counts: Counter[int]) -> Counter[int]:
    """Two neighbours in one, as the next coarser schema has them."""
    joined: Counter[int] = Counter()
    for index, count in counts.items():
        joined[(index + 1) >> 1] += count
    return joined


def _spans(indices: list[int]) -> Iterator[tuple[int, int]]:
    end, offset, length = 0, 0, 0
    for index in indices:
        if length and index == end:
            length += 1
        else:
            if length:
                yield offset, length
            offset, length = index - end, 1
        end = index + 1
    if length:
        yield offset, length


def _deltas(counts: Counter[int]) -> Iterator[int]:
    before = 0
    for _, count in sorted(counts.items()):
        yield count - before
        before = count
