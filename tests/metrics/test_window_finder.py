import random

import pytest

from imaxproxy.clock import NS_PER_MS
from imaxproxy.metrics import ANSWER, Ask, Exchange, Outcome, Timeline, Trim, WindowFinder, mark

MS = NS_PER_MS


def exchange(
    sent_ms: int, last_ms: int, outcome: Outcome = Outcome.COMPLETED, dialect: str | None = "chat"
) -> Exchange:
    ask = Ask("r", "/", sent_ms * MS, sent_ns=sent_ms * MS, dialect=dialect)
    return Exchange(ask, outcome, last_ms * MS + 5, streamed=True, timeline=Timeline([last_ms * MS], [mark(ANSWER, 1)]))


def found(*exchanges: Exchange) -> list[tuple[float, float] | None]:
    finder = WindowFinder()
    for one in exchanges:
        finder.add(one)
    windows = finder.close()
    assert windows is not None
    parts = (windows.whole, windows.warmup, windows.steady, windows.drain)
    return [(part.start_ns / MS, part.end_ns / MS) if part else None for part in parts]


TEN = [exchange(sent_ms, sent_ms + 50) for sent_ms in range(1000, 2000, 100)]
WARM_MS = 1000 + 50.015  # 50 ms stand in the histogram's bucket up to 50.015


def test_warm_up_lasts_a_requests_life_and_the_drain_begins_with_the_last_send() -> None:
    end_ms = (1950 * MS + 6) / MS  # half open: the last moment counts
    assert found(*TEN) == [(1000, end_ms), (1000, WARM_MS), (WARM_MS, 1900), (1900, end_ms)]


def test_the_order_of_exchanges_does_not_matter() -> None:
    shuffled = TEN.copy()
    random.Random(3).shuffle(shuffled)
    assert found(*shuffled) == found(*TEN)


def test_a_run_too_short_has_no_parts() -> None:
    assert found(exchange(0, 50), exchange(40, 90))[1:] == [None] * 3
    assert found(exchange(0, 50))[1:] == [None] * 3


def test_without_a_completed_request_nobody_knows_how_long_the_warm_up_is() -> None:
    assert found(exchange(0, 50, Outcome.FAILED), exchange(900, 950, Outcome.TRUNCATED))[1:] == [None] * 3


def test_what_was_never_sent_counts_from_when_it_was_taken_up() -> None:
    never = Exchange(Ask("r", "/", 500 * MS, dialect="chat"), Outcome.FAILED, 600 * MS)
    assert found(never)[0] == (500, (600 * MS + 1) / MS)


def test_no_exchanges_no_windows() -> None:
    assert WindowFinder().close() is None
    finder = WindowFinder()
    finder.add(exchange(0, 50, dialect=None))  # passed through
    assert finder.close() is None


@pytest.mark.parametrize(
    ("trim", "warm_ms", "cool_ms"),
    [(Trim(0.2), 1200, 1900), (Trim(None, 0.3), WARM_MS, 1600), (Trim(0.0, 0.0), 1000, 1900)],
)
def test_flags_go_before_what_is_found(trim: Trim, warm_ms: float, cool_ms: float) -> None:
    finder = WindowFinder(trim)
    for one in TEN:
        finder.add(one)
    windows = finder.close()
    assert windows is not None
    assert windows.steady is not None
    assert (windows.steady.start_ns / MS, windows.steady.end_ns / MS) == (warm_ms, cool_ms)


def queue(load: float, seed: int) -> WindowFinder:
    """60 s of Poisson arrivals at ten places that are taken for 2 s each; `load` of what they can carry."""
    rng, finder, at_s = random.Random(seed), WindowFinder(), 0.0
    free_s = [0.0] * 10
    while at_s < 60:
        at_s += rng.expovariate(load * 5)
        free_s.sort()
        free_s[0] = max(at_s, free_s[0]) + rng.gammavariate(4, 0.5)
        finder.add(exchange(round(at_s * 1000), round(free_s[0] * 1000)))
    finder.close()
    return finder


def test_a_queue_that_only_grows_is_told_from_one_that_does_not() -> None:
    grown = [queue(1.3, seed).backlog_growth_share or 0.0 for seed in range(10)]
    level = [queue(0.8, seed).backlog_growth_share or 0.0 for seed in range(10)]
    assert sum(share > 0.08 for share in grown) >= 9
    assert sum(share > 0.08 for share in level) <= 1


def ramped(lasting_ms: int, ramp_ms: int) -> WindowFinder:
    """Requests of 50 ms each; so many more of them at any time as the ramp goes on."""
    finder, at_ms = WindowFinder(), 0.0
    while at_ms < lasting_ms:
        rate_per_ms = 0.02 + 1.0 * min(1.0, at_ms / ramp_ms)
        at_ms += 1 / rate_per_ms
        finder.add(exchange(round(at_ms), round(at_ms) + 50))
    return finder


def test_warm_up_lasts_until_the_number_in_flight_has_come_to_its_level() -> None:
    finder = ramped(10_000, 2_000)
    windows = finder.close()
    assert windows is not None
    assert windows.warmup is not None
    assert 1_500 < windows.warmup.duration_ns / MS < 3_000
    assert finder.settled is True


def test_a_load_that_only_grows_never_settles() -> None:
    finder = ramped(4_000, 4_000)
    assert finder.close() is not None
    assert finder.settled is False
