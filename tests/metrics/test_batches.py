"""What dependent trials are worth."""

import random

from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.metrics.batches import COUNT, Batches
from imaxproxy.metrics.interval import wilson, wilson_of_share
from imaxproxy.metrics.window import Window

RUN = Window(1_000, 1_000 + 100 * COUNT)


def batches(*trials: tuple[int, bool]) -> Batches:
    made = Batches(RUN)
    for started_ns, hit in trials:
        made.add(started_ns, hit=hit)
    return made


def every(step: int, hit_of_place: "dict[int, bool]") -> list[tuple[int, bool]]:
    """A trial each `step` ns; those of a place (a stretch) hit alike."""
    return [(at, hit_of_place[(at - RUN.start_ns) // 100]) for at in range(RUN.start_ns, RUN.end_ns, step)]


def test_trials_that_do_not_depend_on_each_other_are_worth_nearly_all() -> None:
    ratios = []
    for seed in range(50):
        chance = random.Random(seed)
        trials = [(at, chance.random() < 0.9) for at in range(RUN.start_ns, RUN.end_ns)]
        ratios.append(batches(*trials).effective_trials() / len(trials))
    assert 0.7 < sum(ratios) / len(ratios) < 0.9  # (1.96 / t(19))^2 is 0.88; chance alone takes a tenth more


def test_trials_of_a_stretch_that_all_hit_or_all_miss_are_worth_little_more_than_one() -> None:
    alike = batches(*every(1, {place: place % 2 == 0 for place in range(COUNT)}))
    assert 0.8 * COUNT < alike.effective_trials() < COUNT


def test_where_all_hit_or_none_did_nothing_is_known_of_how_they_depend() -> None:
    for hit in (True, False):
        assert batches(*((at, hit) for at in range(RUN.start_ns, RUN.end_ns, 10))).effective_trials() == 10 * COUNT


def test_a_run_of_one_moment_and_one_of_no_trials() -> None:
    assert batches().effective_trials() == 0
    assert batches((RUN.start_ns, True), (RUN.start_ns, False)).effective_trials() == 2
    moment = Batches(Window(5, 5))
    moment.add(5, hit=True)
    assert moment.effective_trials() == 1


TRIALS = st.lists(st.tuples(st.integers(RUN.start_ns - 50, RUN.end_ns + 50), st.booleans()), max_size=60)


@given(TRIALS, TRIALS)
def test_merged_is_as_counted_together(some: list[tuple[int, bool]], others: list[tuple[int, bool]]) -> None:
    merged = batches(*some)
    merged.merge(batches(*others))
    together = batches(*some, *others)
    assert merged.effective_trials() == together.effective_trials() <= len(some) + len(others)


def test_an_interval_of_fewer_trials_is_wider() -> None:
    low, high = wilson_of_share(0.95, 100.0)
    assert (low, high) == wilson(95, 100)
    wider_low, wider_high = wilson_of_share(0.95, 40.0)
    assert wider_low < low < 0.95 < high < wider_high
