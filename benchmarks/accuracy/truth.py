"""What an engine did, from its truth log: the figures that a meter without error would report."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.accuracy.cases import Case
from benchmarks.accuracy.figures import Figures

NS_PER_MS = 1e6


@dataclass(frozen=True)
class TrueStream:
    """One request as its engine saw it; times on the machine's monotonic clock."""

    row: dict[str, Any]

    @property
    def request_id(self) -> str:
        return str(self.row["request_id"])

    @property
    def came_in_ns(self) -> int:
        return int(self.row["t_first_byte_in_ns"])

    @property
    def written_ns(self) -> list[int]:
        """When each token event had been handed to the socket."""
        return list(self.row["written_ns"])

    @property
    def tokens(self) -> list[int]:
        """Of each of these events."""
        return list(self.row["tokens"])

    @property
    def is_complete(self) -> bool:
        return self.row["end"] in ("length", "stop", "tool_calls")

    @property
    def answer_from(self) -> int | None:
        """The index of the first event that is no reasoning; None when none came."""
        before = accumulate(self.tokens, initial=0)
        found = (index for index, tokens in enumerate(before) if tokens >= self.row["reasoning"])
        index = next(found, len(self.tokens))
        return index if index < len(self.tokens) else None

    def ms(self, index: int) -> float:
        """From the request's first byte at the engine to an event."""
        return (self.written_ns[index] - self.came_in_ns) / NS_PER_MS

    @property
    def tpot_ms(self) -> float | None:
        """(last - first) / tokens after the first event."""
        later = sum(self.tokens[1:])
        return (self.ms(-1) - self.ms(0)) / later if later else None

    @property
    def token_gaps_ms(self) -> list[float]:
        """Per token: an event of k tokens after a gap g is k times g / k."""
        gaps = [(after - before) / NS_PER_MS for before, after in pairwise(self.written_ns)]
        return [gap / k for gap, k in zip(gaps, self.tokens[1:], strict=True) for _ in range(k)]


def read_truth(path: Path, measured: int) -> list[TrueStream]:
    """The last `measured` requests to come, in their order: what came before were a client's warm-ups."""
    streams = [TrueStream(json.loads(line)) for line in path.read_text().splitlines()]
    streams.sort(key=lambda stream: stream.came_in_ns)
    return streams[-measured:]


def true_figures(streams: Sequence[TrueStream], case: Case) -> Figures:
    spoke = [stream for stream in streams if stream.written_ns]
    answered = [(stream, index) for stream in spoke if (index := stream.answer_from) is not None]
    completed = [stream for stream in spoke if stream.is_complete]
    gaps_ms = sorted(gap for stream in spoke for gap in stream.token_gaps_ms)
    event_gaps_ms = [gap for s in spoke for gap in ((b - a) / NS_PER_MS for a, b in pairwise(s.written_ns))]
    tokens = sum(sum(stream.tokens) for stream in spoke)
    wall_s = (max(stream.written_ns[-1] for stream in spoke) - streams[0].came_in_ns) / 1e9
    return Figures(
        ttft_p50_ms=median(stream.ms(0) for stream in spoke),
        ttfo_p50_ms=median(stream.ms(index) for stream, index in answered),
        tpot_mean_ms=mean(known(stream.tpot_ms for stream in spoke)),
        itl_p50_ms=at(gaps_ms, 0.5),
        itl_p99_ms=at(gaps_ms, 0.99),
        itl_max_ms=gaps_ms[-1],
        event_gap_p50_ms=median(event_gaps_ms),
        e2e_p99_ms=at(sorted(stream.ms(-1) for stream in completed), 0.99),
        from_schedule_p99_ms=_from_schedule_p99_ms(streams, case),
        completed=len(completed),
        failed=len(streams) - len(completed),
        tokens=tokens,
        reasoning_tokens=sum(min(stream.row["reasoning"], sum(stream.tokens)) for stream in spoke),
        tokens_per_s=tokens / wall_s,
    )


def _from_schedule_p99_ms(streams: Sequence[TrueStream], case: Case) -> float | None:
    """Had the requests left on time, one each 1/rate from the first on: from there to their last token."""
    if case.rate_per_s is None:
        return None
    zero_ns, every_ns = streams[0].came_in_ns, 1e9 / case.rate_per_s
    waits_ms = [
        (stream.written_ns[-1] - zero_ns - number * every_ns) / NS_PER_MS for number, stream in enumerate(streams)
    ]
    return at(sorted(waits_ms), 0.99)


def at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
