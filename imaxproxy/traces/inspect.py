"""What a trace holds: how much, how long, how bursty, how much of its prompts is shared."""

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from imaxproxy.traces.reader import Trace
from imaxproxy.traces.row import TraceRow

_QUANTILES = (("p50", 0.50), ("p90", 0.90), ("p99", 0.99))
_MANY_TIES = 0.2
_MAX_SPAN_S = 30 * 86_400
_MIN_SPAN_S = 1


def inspect_trace(trace: Trace) -> dict[str, Any]:
    """Read the whole trace once and describe it; null where the trace does not say. JSON-ready."""
    lengths = {name: array("q") for name in ("input_length", "output_length", "reasoning_length")}
    stamps, reuse, names = _Stamps(), PrefixReuse(), _Names()
    for row in trace:
        for name, values in lengths.items():
            value = getattr(row, name)
            if value is not None:
                values.append(value)
        stamps.add(row)
        reuse.add(row)
        names.add(row)
    described = {
        "format": trace.format,
        "path": str(trace.path),
        "requests": trace.rows,
        "sessions": len(names.sessions),
        **{name: quantiles(values) for name, values in lengths.items()},
        **stamps.described(),
        "prefix_reuse": reuse.described(),
        "output_modes": dict(names.output_modes),
        "duplicate_request_ids": names.duplicates,
        "skipped": trace.skipped,
        "skipped_examples": trace.skipped_examples,
        "clamped": trace.clamped,
        "unknown_fields": dict(trace.unknown_fields),
    }
    return described | {"notes": _notes(described)}


def quantiles(values: Sequence[int]) -> dict[str, float] | None:
    """Mean, quantiles by linear interpolation between order statistics (numpy's default), maximum. None when empty."""
    if not values:
        return None
    ordered = sorted(values)
    found = {name: _quantile(ordered, share) for name, share in _QUANTILES}
    return {"count": len(ordered), "mean": sum(ordered) / len(ordered), **found, "max": ordered[-1]}


def _quantile(ordered: Sequence[int], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


class _Stamps:
    """Gaps between the stamps of neighbouring rows, in time order whatever the file's order."""

    def __init__(self) -> None:
        self._stamps_ms = array("d")

    def add(self, row: TraceRow) -> None:
        if row.timestamp_ms is not None:
            self._stamps_ms.append(row.timestamp_ms)

    def described(self) -> dict[str, float | None]:
        """CV is the standard deviation over the mean of all gaps: 1 for a Poisson process, 0 for a metronome.

        tick_ms is the median distance of neighbouring stamps that differ; given only where over 20 % are ties.
        """
        ordered = sorted(self._stamps_ms)
        gaps_ms = [after - before for before, after in pairwise(ordered)]
        if not gaps_ms or not sum(gaps_ms):
            return dict.fromkeys(("span_s", "rate_per_s", "gap_cv", "tied_share", "tick_ms"))
        mean_ms = sum(gaps_ms) / len(gaps_ms)
        variance = sum((gap_ms - mean_ms) ** 2 for gap_ms in gaps_ms) / len(gaps_ms)
        tied_share = gaps_ms.count(0.0) / len(gaps_ms)
        steps_ms = sorted(gap_ms for gap_ms in gaps_ms if gap_ms)
        return {
            "span_s": (ordered[-1] - ordered[0]) / 1000,
            "rate_per_s": 1000 / mean_ms,
            "gap_cv": math.sqrt(variance) / mean_ms,
            "tied_share": tied_share,
            "tick_ms": steps_ms[len(steps_ms) // 2] if tied_share > _MANY_TIES else None,
        }


class PrefixReuse:
    """How much of the prompts an infinite cache of the trace's own blocks would have served.

    A row's hits are its leading hash ids that an earlier row had; the first touch is a miss. A partial last block hits
    only where a whole prompt comes again, and then with the tokens that it holds. The same trace gives figures several
    points apart under different denominators (the 40 % of Mooncake's paper is the mean per request, where the
    token-weighted share is 37 %), so all three are named:

        token_weighted    = sum(hit tokens) / sum(input tokens)
        block_weighted    = sum(hit blocks) / sum(blocks)
        mean_per_request  = mean(hit tokens / input tokens)
    """

    def __init__(self) -> None:
        self._seen: set[tuple[str | None, int, int] | int] = set()
        self.requests = 0
        self._input_tokens = self._hit_tokens = self._blocks = self._hit_blocks = 0
        self._ratios = 0.0

    def add(self, row: TraceRow) -> None:
        if not row.hash_ids or row.input_length is None:
            return
        keys = [_block_key(row, hash_id) for hash_id in row.hash_ids]
        hits = next((place for place, key in enumerate(keys) if key not in self._seen), len(keys))
        hit_tokens = min(hits * row.block_size, row.input_length)
        self._seen.update(keys)
        self.requests += 1
        self._blocks += len(row.hash_ids)
        self._hit_blocks += hits
        self._input_tokens += row.input_length
        self._hit_tokens += hit_tokens
        self._ratios += hit_tokens / row.input_length

    def described(self) -> dict[str, float] | None:
        """None for a trace without hash ids."""
        if not self.requests:
            return None
        return {
            "token_weighted": self._hit_tokens / self._input_tokens,
            "block_weighted": self._hit_blocks / self._blocks,
            "mean_per_request": self._ratios / self.requests,
            "requests": self.requests,
        }


class _Names:
    """Sessions and request ids that the trace itself names."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.output_modes: Counter[str] = Counter()
        self._requests: set[str] = set()
        self.duplicates = 0

    def add(self, row: TraceRow) -> None:
        self.duplicates += row.request_id in self._requests
        self._requests.add(row.request_id)
        self.output_modes[row.output_mode] += 1
        if row.session_id is not None:
            self.sessions.add(row.session_id)


def _block_key(row: TraceRow, hash_id: int) -> tuple[str | None, int, int] | int:
    """A bare number where that is enough: a set of them takes a third of the memory."""
    if row.hash_id_scope == "global":
        return hash_id
    return row.hash_scope, row.block_size, hash_id


def _notes(described: dict[str, Any]) -> list[str]:
    """What a reader should know before trusting or replaying this trace."""
    notes = []
    if described["tick_ms"] is not None:
        notes.append(
            f"{described['tied_share']:.1%} of neighbouring stamps are equal, on ticks of about "
            f"{described['tick_ms']:g} ms: the CV of {described['gap_cv']:.2f} is an artefact, and a replay as it "
            f"stands is a square wave; spread the ties"
        )
    span_s = described["span_s"]
    if span_s is not None and not _MIN_SPAN_S <= span_s <= _MAX_SPAN_S:
        notes.append(f"the stamps span {span_s:g} s: are they milliseconds?")
    if not described["sessions"]:
        notes.append("no row names a session: each is replayed on its own")
    if described["duplicate_request_ids"]:
        notes.append(f"{described['duplicate_request_ids']} rows repeat a request_id: compare cannot join them")
    return notes
