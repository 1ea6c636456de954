"""When a dear counter is read."""

from itertools import pairwise

import pytest

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.power import PowerSample
from imaxproxy.power.moves import Moves, nominal_ms
from imaxproxy.power.spacing import COUNTER_SHARE, Spacing

MS = NS_PER_MS


def _moved(period_ms: float, times: int = 20) -> Moves:
    moves = Moves()
    for at in range(int(times * period_ms / 5)):
        moves.see(at * 5 * MS, at * 5 // period_ms)
    return moves


def test_it_is_read_in_the_middle_between_two_moves_as_seldom_as_its_cost_asks() -> None:
    spacing = Spacing.of(_moved(100), 0.0033, 1, 2 * NS_PER_S)
    assert spacing.every_ns == 900 * MS  # 3.3 ms are 0.4 % of 825
    assert (spacing.due_ns / MS) % 100 == pytest.approx(50, abs=5)


def test_many_boards_share_the_same_cost() -> None:
    eight = Spacing.of(_moved(100), 0.0033, 8, 0)
    assert eight.every_ns == 2000 * MS  # the most: figures of 10 s need some reads
    assert Spacing.of(_moved(100), 0.0001, 1, 0).every_ns == 100 * MS


def test_one_that_was_not_seen_to_move_is_read_at_the_pace_alone() -> None:
    spacing = Spacing.of(Moves(), 0.002, 1, 77)
    assert (spacing.every_ns, spacing.due_ns) == (round(0.002 / COUNTER_SHARE * NS_PER_S), 77)


def test_a_read_that_was_missed_is_not_made_up_for() -> None:
    spacing = Spacing(700 * MS, 100 * MS, 1000 * MS, 0.003)
    assert not spacing.is_due(999 * MS)
    assert spacing.is_due(5000 * MS)
    assert spacing.due_ns == 5200 * MS


def test_after_a_step_of_power_the_next_moves_are_read_one_by_one() -> None:
    spacing = Spacing(700 * MS, 100 * MS, 5550 * MS, 0.003)
    for at_ms, power_w in ((5000, 100.0), (5048, 100.0), (5096, 400.0)):
        spacing.see(PowerSample(at_ms * MS, "GPU-0", power_w))
    reads_ms = [at for at in range(5100, 5600) if spacing.is_due(at * MS)]
    assert reads_ms == [5150, 5250, 5350, 5550]


@pytest.mark.parametrize(("read_cost_s", "gap_ms"), [(0.0033, 100), (8 * 0.0033, 600)])
def test_until_the_load_begins_it_is_read_closely_and_then_seldom(read_cost_s: float, gap_ms: int) -> None:
    spacing = Spacing(2000 * MS, 100 * MS, 50 * MS, read_cost_s)
    waiting = [at for at in range(0, 2000, 10) if spacing.is_due(at * MS)]
    assert {b - a for a, b in pairwise(waiting)} == {gap_ms}
    spacing.see(PowerSample(1990 * MS, "GPU-0", 100.0))
    spacing.see(PowerSample(2000 * MS, "GPU-0", 400.0))
    after = [at for at in range(2000, 9000, 10) if spacing.is_due(at * MS)]
    assert len(after) <= 3 + 4  # the step's own, and every two seconds
    idle = Spacing(2000 * MS, 100 * MS, 50 * MS, read_cost_s)
    assert sum(idle.is_due(at * MS) for at in range(6000, 16_000, 10)) <= 6


def test_steps_that_come_all_the_time_cost_no_more_than_was_saved() -> None:
    spacing = Spacing(700 * MS, 100 * MS, 0, 0.0033)
    reads = 0
    for at in range(0, 60_000, 48):
        spacing.see(PowerSample(at * MS, "GPU-0", 600.0 if at % 96 else 100.0))
        reads += spacing.is_due(at * MS)
    assert reads * 0.0033 / 60 < 0.009


@pytest.mark.parametrize(("seen", "nominal"), [(99.99, 100), (100.26, 100), (82.3, 82), (83.4, 83), (33.42, 33.42)])
def test_a_period_near_a_whole_number_is_that(seen: float, nominal: float) -> None:
    assert nominal_ms(seen) == nominal
