"""Requests as bars over time: waiting, reasoning, answering; a sample of them where there are many."""

from dataclasses import dataclass
from heapq import heappush, heappushpop

from imaxproxy.clock import NS_PER_MS
from imaxproxy.metrics import Exchange, Outcome
from imaxproxy.metrics.formulas import tps_per_user

EVENLY, SLOWEST, FAILED = 160, 40, 40
"""How many are kept: evenly over the order in which they ended, of the longest, and of those that failed."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One request; times in ms from the run's first send, None for what never came."""

    request_id: str
    kept_for: tuple[str, ...]
    """Why it stands in the sample: `evenly`, `slowest`, `failed`."""
    scheduled_ms: float | None
    sent_ms: float
    first_token_ms: float | None
    first_answer_ms: float | None
    """The end of reasoning."""
    ended_ms: float
    outcome: str
    ending: str
    finish_reason: str | None
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    tps_per_user: float | None
    where: str | None
    """Session, upstream or client, as far as they are known."""


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The sample, by send; `of` is how many requests the run had."""

    bars: list[Bar]
    of: int


class WaterfallBuilder:
    """Takes every exchange of a run; what it holds is bounded."""

    def __init__(self, evenly: int = EVENLY, slowest: int = SLOWEST, failed: int = FAILED) -> None:
        self._most_even, self._most_slow, self._most_failed = evenly, slowest, failed
        self._every = 1
        self._count = 0
        self._evenly: list[tuple[int, Exchange]] = []
        self._slowest: list[tuple[int, int, Exchange]] = []
        self._failed: list[tuple[int, Exchange]] = []
        self._failed_every, self._failures = 1, 0

    def add(self, exchange: Exchange) -> None:
        if exchange.ask.dialect is None:
            return
        number = self._count
        self._count += 1
        if number % self._every == 0:
            self._evenly.append((number, exchange))
            if len(self._evenly) > self._most_even:  # half of them, and half as often from here on
                self._evenly, self._every = self._evenly[::2], self._every * 2
        self._keep_slow((exchange.ended_ns - exchange.ask.begun_ns, number, exchange))
        if exchange.outcome in (Outcome.FAILED, Outcome.TRUNCATED):
            if self._failures % self._failed_every == 0:
                self._failed.append((number, exchange))
                if len(self._failed) > self._most_failed:
                    self._failed, self._failed_every = self._failed[::2], self._failed_every * 2
            self._failures += 1

    def _keep_slow(self, row: tuple[int, int, Exchange]) -> None:
        if len(self._slowest) < self._most_slow:
            heappush(self._slowest, row)
        elif row[0] > self._slowest[0][0]:
            heappushpop(self._slowest, row)

    def close(self, zero_ns: int) -> Waterfall:
        kept: dict[int, tuple[Exchange, list[str]]] = {}
        for why, rows in (
            ("evenly", self._evenly),
            ("slowest", [row[1:] for row in self._slowest]),
            ("failed", self._failed),
        ):
            for number, exchange in rows:
                kept.setdefault(number, (exchange, []))[1].append(why)
        bars = [_bar(exchange, tuple(whys), zero_ns) for exchange, whys in kept.values()]
        return Waterfall(sorted(bars, key=lambda bar: bar.sent_ms), self._count)


def _bar(exchange: Exchange, whys: tuple[str, ...], zero_ns: int) -> Bar:
    def ms(time_ns: int | None) -> float | None:
        return None if time_ns is None else (time_ns - zero_ns) / NS_PER_MS

    ask, usage = exchange.ask, exchange.usage
    times_ns = exchange.timeline.times_ns
    places = {"session": ask.session_id, "upstream": ask.upstream, "client": ask.client}
    return Bar(
        request_id=ask.request_id,
        kept_for=whys,
        scheduled_ms=ms(ask.scheduled_ns),
        sent_ms=(exchange.ask.begun_ns - zero_ns) / NS_PER_MS,
        first_token_ms=ms(times_ns[0]) if len(times_ns) else None,
        first_answer_ms=ms(exchange.timeline.first_output_ns()),
        ended_ms=(max(exchange.ended_ns, exchange.ask.begun_ns) - zero_ns) / NS_PER_MS,
        outcome=exchange.outcome.value,
        ending=exchange.ending.value,
        finish_reason=exchange.finish_reason,
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        output_tokens=exchange.output_tokens,
        tps_per_user=tps_per_user(exchange),
        where=", ".join(f"{name} {value}" for name, value in places.items() if value) or None,
    )
