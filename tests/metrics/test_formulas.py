"""Each figure here was worked out by hand. Times are ms."""

from collections import Counter
from dataclasses import dataclass, replace

import pytest

from imaxproxy.clock import NS_PER_MS
from imaxproxy.metrics import (
    ANSWER,
    REASONING,
    TOOL,
    Ask,
    CountedBy,
    Exchange,
    Outcome,
    Timeline,
    Usage,
    formulas,
    mark,
)

KINDS = {"r": REASONING, "c": ANSWER, "t": TOOL}


@dataclass(frozen=True)
class Case:
    """A stream sent at 100 ms and scheduled for 80: events as (ms, kind, tokens), and what it comes to."""

    events: list[tuple[float, str, int]]
    ttft: float | None = None
    ttfo: float | None = None
    e2e: float | None = None
    tpot: float | None = None
    tps_per_user: float | None = None
    e2e_tps_per_user: float | None = None
    itl: dict[int, int] | None = None
    gaps: list[int] | None = None
    counted: bool = True
    outcome: Outcome = Outcome.COMPLETED
    streamed: bool = True
    output_tokens: int | None = None

    def exchange(self) -> Exchange:
        times_ns = [round(at_ms * NS_PER_MS) for at_ms, _, _ in self.events]
        marks = [mark(KINDS[kind], tokens if self.counted else 0) for _, kind, tokens in self.events]
        return Exchange(
            Ask("r", "/", 0, sent_ns=100 * NS_PER_MS, scheduled_ns=80 * NS_PER_MS, dialect="chat"),
            self.outcome,
            ended_ns=700 * NS_PER_MS,
            streamed=self.streamed,
            usage=Usage(output_tokens=self.output_tokens),
            timeline=Timeline(times_ns, marks, counted=self.counted),
            counted_by=CountedBy.USAGE if self.counted else CountedBy.EVENTS,
        )


CASES = {
    "a token an event": Case(
        [(300, "c", 1), (320, "c", 1), (340, "c", 1), (400, "c", 1)],
        ttft=200, ttfo=200, e2e=300,
        tpot=100 / 3, tps_per_user=30, e2e_tps_per_user=4 / 0.3,
        itl={20_000: 2, 60_000: 1}, gaps=[20_000, 20_000, 60_000],
    ),
    "many tokens an event": Case(  # the first event's 2 are not paid for by any gap
        [(300, "c", 2), (340, "c", 4), (400, "c", 3)],
        ttft=200, ttfo=200, e2e=300,
        tpot=100 / 7, tps_per_user=70, e2e_tps_per_user=9 / 0.3,
        itl={10_000: 4, 20_000: 3}, gaps=[40_000, 60_000],
    ),
    "events without a whole token": Case(  # their gap is the next one's
        [(300, "c", 1), (310, "c", 0), (330, "c", 0), (340, "c", 2), (350, "c", 0)],
        ttft=200, ttfo=200, e2e=250,
        tpot=50 / 2, tps_per_user=40, e2e_tps_per_user=3 / 0.25,
        itl={20_000: 2}, gaps=[10_000, 20_000, 10_000, 10_000],
    ),
    "nothing whole at first": Case(
        [(300, "c", 0), (320, "c", 1), (330, "c", 1)],
        ttft=200, ttfo=200, e2e=230,
        tpot=15, tps_per_user=1000 / 15, e2e_tps_per_user=2 / 0.23,
        itl={20_000: 1, 10_000: 1}, gaps=[20_000, 10_000],
    ),
    "reasoning, then the answer": Case(
        [(200, "r", 1), (250, "r", 1), (300, "c", 1)],
        ttft=100, ttfo=200, e2e=200,
        tpot=50, tps_per_user=20, e2e_tps_per_user=15,
        itl={50_000: 2}, gaps=[50_000, 50_000],
    ),
    "reasoning alone": Case(
        [(200, "r", 1), (250, "r", 1)],
        ttft=100, ttfo=None, e2e=150,
        tpot=50, tps_per_user=20, e2e_tps_per_user=2 / 0.15,
        itl={50_000: 1}, gaps=[50_000],
    ),
    "a tool call": Case(
        [(200, "r", 1), (260, "t", 3)],
        ttft=100, ttfo=160, e2e=160,
        tpot=20, tps_per_user=50, e2e_tps_per_user=25,
        itl={20_000: 3}, gaps=[60_000],
    ),
    "one event": Case([(300, "c", 8)], ttft=200, ttfo=200, e2e=200, e2e_tps_per_user=40, itl={}, gaps=[]),
    "all in one read": Case(  # no gap was seen: TPOT is 0, and there is no rate
        [(300, "c", 1), (300, "c", 1)],
        ttft=200, ttfo=200, e2e=200, tpot=0, e2e_tps_per_user=10, itl={0: 1}, gaps=[0],
    ),
    "no later token": Case(
        [(300, "c", 2), (320, "c", 0)],
        ttft=200, ttfo=200, e2e=220, tpot=None, e2e_tps_per_user=2 / 0.22, itl={}, gaps=[20_000],
    ),
    "cut": Case(  # what it delivered stays; it has no end
        [(300, "c", 1), (320, "c", 1)],
        ttft=200, ttfo=200, tpot=20, tps_per_user=50, itl={20_000: 1}, gaps=[20_000], outcome=Outcome.TRUNCATED,
    ),
    "aborted": Case(
        [(300, "c", 1), (320, "c", 1)],
        ttft=200, ttfo=200, tpot=20, tps_per_user=50, itl={20_000: 1}, gaps=[20_000], outcome=Outcome.ABORTED,
    ),
    "uncounted": Case(
        [(300, "c", 0), (320, "c", 0)], ttft=200, ttfo=200, e2e=220, itl={}, gaps=[20_000], counted=False
    ),
    "not streamed": Case([], e2e=600, e2e_tps_per_user=20, itl={}, gaps=[], streamed=False, output_tokens=12),
    "no token": Case([], itl={}, gaps=[]),
}  # fmt: skip


def ms(value_ns: float | None) -> float | None:
    return None if value_ns is None else pytest.approx(value_ns / NS_PER_MS)


def itl_counts(timeline: Timeline) -> Counter[int]:
    counts: Counter[int] = Counter()
    for times, values in formulas.itl_us(timeline):
        counts.update({value: times * count for value, count in Counter(values).items()})
    return counts


@pytest.mark.parametrize("name", CASES)
def test_of_one_exchange(name: str) -> None:
    case, exchange = CASES[name], CASES[name].exchange()
    assert case.ttft == ms(formulas.ttft_ns(exchange))
    assert case.ttfo == ms(formulas.ttfo_ns(exchange))
    assert case.e2e == ms(formulas.e2e_ns(exchange))
    assert case.tpot == ms(formulas.tpot_ns(exchange))
    assert formulas.tps_per_user(exchange) == pytest.approx(case.tps_per_user)
    assert formulas.e2e_tps_per_user(exchange) == pytest.approx(case.e2e_tps_per_user)
    assert itl_counts(exchange.timeline) == Counter(case.itl)
    assert list(formulas.event_gaps_us(exchange.timeline)) == case.gaps


@pytest.mark.parametrize("name", CASES)
def test_from_the_schedule_it_takes_20_ms_longer(name: str) -> None:
    case, exchange = CASES[name], CASES[name].exchange()
    assert formulas.send_lag_ns(exchange) == 20 * NS_PER_MS
    assert (case.ttft and case.ttft + 20) == ms(formulas.ttft_from_schedule_ns(exchange))
    assert (case.e2e and case.e2e + 20) == ms(formulas.e2e_from_schedule_ns(exchange))


def test_without_a_send_or_a_schedule_there_is_nothing_to_count_from() -> None:
    exchange = CASES["a token an event"].exchange()
    unsent = replace(exchange, ask=replace(exchange.ask, sent_ns=None))
    assert [formulas.ttft_ns(unsent), formulas.ttfo_ns(unsent), formulas.e2e_ns(unsent)] == [None] * 3
    assert formulas.send_lag_ns(unsent) is None
    assert formulas.ttft_from_schedule_ns(unsent) == 220 * NS_PER_MS  # the user waited all the same
    closed_loop = replace(exchange, ask=replace(exchange.ask, scheduled_ns=None))
    assert formulas.ttft_from_schedule_ns(closed_loop) is None
    assert formulas.e2e_from_schedule_ns(closed_loop) is None
    assert formulas.send_lag_ns(closed_loop) is None


def test_the_tokens_of_itl_are_all_but_the_first_events() -> None:
    for case in CASES.values():
        timeline = case.exchange().timeline
        if timeline.counted and len(timeline):
            assert itl_counts(timeline).total() == timeline.total_tokens - timeline.tokens[0]
