"""A run's requests as InferenceX's, vLLM's and SGLang's clients would have counted them.

Their formulas on our stamps: TTFT and E2E end where ours do (token events), TPOT is (E2E - TTFT) / (tokens - 1), ITL is
the gap between events whatever they hold, and only what completed counts. docs/interop.md has the differences.
"""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import Exchange, Outcome
from imaxproxy.metrics.formulas import e2e_ns, ttft_ns
from imaxproxy.runs.exports.spread import Spread
from imaxproxy.runs.record import RunRecord

US_PER_MS = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """One request, in seconds."""

    start_ns: int
    end_ns: int
    input_tokens: int
    output_tokens: int
    completed: bool
    ttft_s: float | None = None
    e2e_s: float | None = None
    cached_tokens: int | None = None
    error: str = ""
    gaps_s: tuple[float, ...] = ()
    """Between its events; only where details were asked for."""


@dataclass(slots=True)
class Measured:
    """All of them, and what they come to."""

    requests: list[Request] = field(default_factory=list)
    """By their send."""
    gaps_us: Counter[float] = field(default_factory=Counter)
    tokens_by_second: Counter[int] = field(default_factory=Counter)
    """Output tokens by the second of the run's own clock in which they came."""
    peak_in_flight: int = 0
    start_ns: int = 0
    end_ns: int = 0

    @property
    def completed(self) -> list[Request]:
        return [request for request in self.requests if request.completed]

    @property
    def duration_s(self) -> float:
        """From the first send to the last end."""
        return (self.end_ns - self.start_ns) / NS_PER_S

    @property
    def total_input_tokens(self) -> int:
        return sum(request.input_tokens for request in self.completed)

    @property
    def total_output_tokens(self) -> int:
        return sum(request.output_tokens for request in self.completed)

    def ttft_ms(self) -> Spread:
        return Spread.of(request.ttft_s * 1000 for request in self.completed if request.ttft_s is not None)

    def tpot_ms(self) -> Spread:
        """One value a request that has two tokens or more."""
        return Spread.of(
            (request.e2e_s - request.ttft_s) * 1000 / (request.output_tokens - 1)
            for request in self.completed
            if request.e2e_s is not None and request.ttft_s is not None and request.output_tokens > 1
        )

    def itl_ms(self) -> Spread:
        return Spread(self.gaps_us).scaled(1 / US_PER_MS)

    def e2el_ms(self) -> Spread:
        return Spread.of(request.e2e_s * 1000 for request in self.completed if request.e2e_s is not None)


def measure(record: RunRecord, *, detailed: bool = False) -> Measured:
    """Read the journal once. detailed: keep each request's gaps, which costs their number."""
    made = Measured()
    for exchange in record.exchanges():
        made.requests.append(_request(exchange, detailed=detailed))
        if exchange.outcome is Outcome.COMPLETED:
            made.gaps_us.update(exchange.timeline.gaps_us())
        _count_arrivals(exchange, made.tokens_by_second)
    made.requests.sort(key=lambda request: request.start_ns)
    if made.requests:
        made.start_ns = made.requests[0].start_ns
        made.end_ns = max(request.end_ns for request in made.requests)
        made.peak_in_flight = _peak(made.requests)
    return made


def _request(exchange: Exchange, *, detailed: bool) -> Request:
    ask, usage, timeline = exchange.ask, exchange.usage, exchange.timeline
    sent_ns = ask.begun_ns
    first_ns, last_ns = ttft_ns(exchange), e2e_ns(exchange)
    counted = usage.input_tokens if usage.input_tokens is not None else ask.planned_input_tokens
    return Request(
        start_ns=sent_ns,
        end_ns=timeline.times_ns[-1] if len(timeline) else max(exchange.ended_ns, sent_ns),
        input_tokens=counted or 0,
        output_tokens=exchange.output_tokens or 0,
        completed=exchange.outcome is Outcome.COMPLETED,
        ttft_s=None if first_ns is None else first_ns / NS_PER_S,
        e2e_s=None if last_ns is None else last_ns / NS_PER_S,
        cached_tokens=usage.cached_tokens,
        error=exchange.error or "",
        gaps_s=tuple(gap_us / 1e6 for gap_us in timeline.gaps_us()) if detailed else (),
    )


def _count_arrivals(exchange: Exchange, by_second: Counter[int]) -> None:
    """Add tokens to the second of the run's own clock in which they came."""
    timeline, times_ns = exchange.timeline, exchange.timeline.times_ns
    if not len(timeline) or not timeline.counted:
        return
    first = 0
    while first < len(times_ns):
        second = times_ns[first] // NS_PER_S
        last = bisect_left(times_ns, (second + 1) * NS_PER_S, first)
        by_second[second] += timeline.tokens_between(first, last)
        first = last


def _peak(requests: list[Request]) -> int:
    """Most requests in flight at once; one that ends as another begins makes room for it."""
    edges = sorted(
        [(request.start_ns, 1) for request in requests] + [(request.end_ns, -1) for request in requests],
    )
    now = peak = 0
    for _, change in edges:
        now += change
        peak = max(peak, now)
    return peak
