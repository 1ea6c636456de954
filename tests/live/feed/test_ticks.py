from imaxproxy.clock import NS_PER_S
from imaxproxy.live.feed.ticks import MOST_HISTORY, WINDOW_S, Rates, Ticks
from imaxproxy.metrics import LivePart


def part(at_s: float, since_s: float, events: int = 100, ended: int = 1) -> LivePart:
    return LivePart(
        round(at_s * NS_PER_S), round(since_s * NS_PER_S), events=events, ended=ended, input_tokens=7, in_flight=3
    )


def test_the_window_is_the_last_ten_seconds() -> None:
    ticks = Ticks()
    ticks.add(part(0, 0, events=10**6), 1.0, None)  # the first look: no time has passed
    for second in range(1, 31):
        ticks.add(part(second, second - 1, events=second), 1.0, 50.0)
    window, window_s = ticks.window()
    assert (window_s, window.events, window.ended) == (WINDOW_S, sum(range(21, 31)), 10)


def test_rates_know_how_many_tokens_an_event_holds() -> None:
    rates = Rates.of(part(2, 0), 1.5, 2.0)
    assert (rates.output_tokens_per_s, rates.events_per_s, rates.requests_per_s) == (75.0, 50.0, 0.5)
    assert rates.total_tokens_per_s == 75.0 + 3.5
    assert Rates.of(part(0, 0), 1.0, 0.0) == Rates(None, None, None, None)


def test_after_a_time_in_which_nobody_looked_the_window_begins_anew() -> None:
    ticks = Ticks()
    for second in range(1, 5):
        ticks.add(part(second, second - 1), 1.0, None)
    ticks.add(part(60, 60, events=0, ended=0), 1.0, None)
    assert ticks.window()[1] == 0.0
    ticks.add(part(61, 60), 1.0, None)
    assert ticks.window()[1] == 1.0


def test_workers_that_are_looked_at_one_after_the_other_share_one_window() -> None:
    ticks, apart_s = Ticks(), 0.007
    for second in range(1, 6):
        both = part(second, second - (second > 1))
        both.merge(part(second + apart_s, second + apart_s - (second > 1)))
        ticks.add(both, 1.0, None)
    window, window_s = ticks.window()
    assert (window.events, round(window_s, 3)) == (1000, 4.007)


def test_history_is_bounded_and_the_newest_stands_last() -> None:
    ticks = Ticks()
    assert ticks.history()["in_flight"] == []
    for second in range(1, MOST_HISTORY + 50):
        ticks.add(part(second, second - 1, events=second), 2.0, float(second))
    history = ticks.history()
    tokens, watts = history["output_tokens_per_s"], history["power_w"]
    assert isinstance(tokens, list)
    assert isinstance(watts, list)
    assert (len(tokens), tokens[-1], watts[-1]) == (MOST_HISTORY, 2.0 * (MOST_HISTORY + 49), MOST_HISTORY + 49.0)
