"""What was worked on when: nothing is lost at the edges of ticks, and parts add up to the whole exactly."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import ANSWER, REASONING, Exchange, Timeline, mark
from imaxproxy.power.ticks import PER_TOKEN, TickGrid, TokenTicks
from tests.power.exchanges import exchange, load

S = NS_PER_S


def ticks_of(grid: TickGrid, exchanges: list[Exchange]) -> TokenTicks:
    ticks = TokenTicks(grid)
    for each in exchanges:
        ticks.add(each)
    return ticks


def figures(ticks: TokenTicks) -> list[object]:
    return [ticks.prefill, ticks.output, ticks.reasoning, ticks.answer, ticks.present, ticks.uncertain]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(10**7, 10**9), st.integers(1, 4))
def test_parts_add_up_to_the_whole_in_any_order(seed: int, tick_ns: int, parts: int) -> None:
    grid, rng = TickGrid.of(5 * S, 20 * S, tick_ns), random.Random(seed)
    exchanges = list(load(seed, 6.0, 14.0))
    whole = ticks_of(grid, exchanges)
    rng.shuffle(exchanges)
    merged = ticks_of(grid, exchanges[::parts])
    for part in range(parts - 1, 0, -1):
        merged.merge(ticks_of(grid, exchanges[part::parts]))
    assert figures(merged) == figures(whole)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(10**6, 10**9))
def test_no_token_is_lost_at_the_edges_of_ticks(seed: int, tick_ns: int) -> None:
    exchanges = list(load(seed, 6.0, 14.0))
    for each in exchanges:
        work = TickGrid.of(0, 100 * S, tick_ns).work_of(each)
        assert work is not None
        assert sum(work.reasoning.values()) + sum(work.answer.values()) == each.timeline.total_tokens * PER_TOKEN
        assert sum(work.reasoning.values()) == each.timeline.reasoning_tokens * PER_TOKEN
        unread = (each.usage.input_tokens or 0) - (each.usage.cached_tokens or 0)
        assert sum(work.prefill.values()) == unread * PER_TOKEN
        assert sum(work.present_ns.values()) == each.ended_ns - (each.ask.sent_ns or 0)


def test_what_lies_beyond_the_run_is_left_out() -> None:
    inside = TickGrid.of(6 * S, 8 * S).work_of(exchange(5.0, 7.0, 0.1, 20, input_tokens=100))  # events until 8.9 s
    assert inside is not None
    assert sum(inside.answer.values()) == 10 * PER_TOKEN
    assert sum(inside.prefill.values()) == pytest.approx(50 * PER_TOKEN, rel=0.1)


def test_events_nobody_counted_have_equal_parts_of_the_total() -> None:
    marks = [mark(REASONING, 0)] * 3 + [mark(ANSWER, 0)] * 4
    timeline = Timeline([6 * S + at for at in range(7)], marks, counted=False)
    from dataclasses import replace

    one = replace(exchange(6.0, 6.0, 0.01, 10, counted=False, input_tokens=0), timeline=timeline)
    total = one.output_tokens or 7
    work = TickGrid.of(6 * S, 7 * S).work_of(one)
    assert work is not None
    assert (work.reasoning[0] + work.answer[0]) == total * PER_TOKEN
    assert work.reasoning[0] == pytest.approx(3 / 7 * total * PER_TOKEN, abs=1)


def test_a_very_long_run_has_coarser_ticks() -> None:
    grid = TickGrid.of(0, 100_000 * S)
    assert len(TokenTicks(grid).output) == grid.count <= 50_000
    assert grid.edges_ns[-1] == 100_000 * S
