import pytest

from imaxproxy.clock import NS_PER_S
from imaxproxy.live.feed.ticks import MOST_HISTORY, WINDOW_S, Rates, Ticks
from imaxproxy.metrics import LivePart


def part(at_s: float, since_s: float, events: int = 100, ended: int = 1) -> LivePart:
    return LivePart(
        round(at_s * NS_PER_S), round(since_s * NS_PER_S), events=events, ended=ended, input_tokens=7, in_flight=3
    )


def add(ticks: Ticks, one: LivePart, tokens_an_event: float, power_w: float | None) -> None:
    """Of one machine, looked at when it answers."""
    ticks.add({"": one}, one.at_ns, tokens_an_event, power_w)


def test_the_window_is_the_last_ten_seconds() -> None:
    ticks = Ticks()
    add(ticks, part(0, 0, events=10**6), 1.0, None)  # the first look: no time has passed
    for second in range(1, 31):
        add(ticks, part(second, second - 1, events=second), 1.0, 50.0)
    window, window_s = ticks.recent().whole, ticks.recent().seconds
    assert (window_s, window.events, window.ended) == (WINDOW_S, sum(range(21, 31)), 10)


def test_rates_know_how_many_tokens_an_event_holds() -> None:
    rates = Rates.of(part(2, 0), 1.5, 2.0)
    assert (rates.output_tokens_per_s, rates.events_per_s, rates.requests_per_s) == (75.0, 50.0, 0.5)
    assert rates.total_tokens_per_s == 75.0 + 3.5
    assert Rates.of(part(0, 0), 1.0, 0.0) == Rates(None, None, None, None)


def test_after_a_time_in_which_nobody_looked_the_window_begins_anew() -> None:
    ticks = Ticks()
    for second in range(1, 5):
        add(ticks, part(second, second - 1), 1.0, None)
    add(ticks, part(60, 60, events=0, ended=0), 1.0, None)
    assert ticks.recent().seconds == 0.0
    add(ticks, part(61, 60), 1.0, None)
    assert ticks.recent().seconds == 1.0


def test_workers_that_are_looked_at_one_after_the_other_share_one_window() -> None:
    ticks, apart_s = Ticks(), 0.007
    for second in range(1, 6):
        both = part(second, second - (second > 1))
        both.merge(part(second + apart_s, second + apart_s - (second > 1)))
        add(ticks, both, 1.0, None)
    window, window_s = ticks.recent().whole, ticks.recent().seconds
    assert (window.events, round(window_s, 3)) == (1000, 4.007)


def test_each_has_a_span_of_its_own() -> None:
    """One answers each second, one every two, and their rates add up to the truth all the same."""
    ticks = Ticks()
    for second in range(1, 9):
        parts = {"a": part(second, second - 1, events=100)}
        if second % 2 == 0:
            parts["b"] = part(second - 0.4, max(second - 2.4, 0), events=200 if second > 2 else 160)
        ticks.add(parts, round(second * NS_PER_S), 1.0, None)
    recent = ticks.recent()
    assert recent.seconds == 8.0
    assert recent.whole.events == 800 + 760
    assert recent.rates(1.0).events_per_s == pytest.approx(200.0)
    assert recent.per_second(lambda counts: counts.ended) == pytest.approx(8 / 8 + 4 / 7.6)
    history = ticks.history()["output_tokens_per_s"]
    assert isinstance(history, list)
    assert history == pytest.approx([100.0, *[200.0] * 7])


def test_who_says_nothing_stays_in_the_window_as_long_as_it_lasts_and_is_forgotten_when_it_is_lost() -> None:
    ticks = Ticks()
    for second in range(1, 5):
        ticks.add({"a": part(second, second - 1), "b": part(second, second - 1)}, second * NS_PER_S, 1.0, None)
    for second in range(5, 16):
        ticks.add({"a": part(second, second - 1)}, second * NS_PER_S, 1.0, None)
        rate = ticks.recent().rates(1.0).events_per_s
        assert rate == pytest.approx(200.0 if second <= 13 else 100.0)  # up to ten seconds from its last one's begin
    tokens = ticks.history()["output_tokens_per_s"]
    assert isinstance(tokens, list)
    assert tokens == pytest.approx([200.0] * 7 + [100.0] * 8)  # SILENT_S after its last word
    assert set(ticks.newest()) == {"a", "b"}
    assert ticks.newest()["b"].at_ns == 4 * NS_PER_S
    ticks.forget("b")
    assert set(ticks.newest()) == set(ticks.recent().spans) == {"a"}


def test_history_is_bounded_and_the_newest_stands_last() -> None:
    ticks = Ticks()
    assert ticks.history()["in_flight"] == []
    for second in range(1, MOST_HISTORY + 50):
        add(ticks, part(second, second - 1, events=second), 2.0, float(second))
    history = ticks.history()
    tokens, watts = history["output_tokens_per_s"], history["power_w"]
    assert isinstance(tokens, list)
    assert isinstance(watts, list)
    assert (len(tokens), tokens[-1], watts[-1]) == (MOST_HISTORY, 2.0 * (MOST_HISTORY + 49), MOST_HISTORY + 49.0)
