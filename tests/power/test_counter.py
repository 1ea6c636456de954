"""Joules by counter: when it moved, wraps, resets, standstill."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.power.counter import Counter


def _counter(reads: list[tuple[float, float]], update_ms: float | None = 0.0, range_mj: float | None = None) -> Counter:
    """(seconds, millijoules)."""
    counter = Counter(update_ms, range_mj)
    for at_s, energy_mj in reads:
        counter.add(round(at_s * NS_PER_S), energy_mj)
    return counter


def test_an_exact_counter_is_straight_between_its_reads() -> None:
    counter = _counter([(1, 0), (2, 100_000), (3, 400_000)])
    assert counter.between_j(NS_PER_S, 2 * NS_PER_S) == pytest.approx(100)
    assert counter.between_j(3 * NS_PER_S // 2, 5 * NS_PER_S // 2) == pytest.approx(50 + 150)
    assert counter.between_j(0, 2 * NS_PER_S) is None  # not bracketed
    assert counter.between_j(2 * NS_PER_S, 4 * NS_PER_S) is None


def test_a_wrap_is_bridged_and_a_fall_is_a_reset() -> None:
    wrapped = _counter([(0, 90_000), (1, 99_000), (2, 3_000), (3, 8_000)], range_mj=100_000)
    assert wrapped.between_j(0, 3 * NS_PER_S) == pytest.approx(18)
    fallen = _counter([(0, 90_000), (1, 99_000), (2, 3_000), (3, 8_000), (4, 13_000), (5, 18_000)])
    assert fallen.between_j(0, 3 * NS_PER_S) is None
    assert fallen.has_reset(0, 3 * NS_PER_S)
    assert fallen.between_j(3 * NS_PER_S, 5 * NS_PER_S) == pytest.approx(10)  # after it, all is well


def test_a_counter_that_stands_still_is_stuck() -> None:
    moving = [(at / 10, at * 10_000.0) for at in range(50)]
    still = [(5 + at / 10, 490_000.0) for at in range(50)]
    counter = _counter(moving + still, update_ms=100)
    assert not counter.is_stuck(NS_PER_S, 4 * NS_PER_S)
    assert counter.is_stuck(NS_PER_S, 9 * NS_PER_S)
    assert _counter([(0, 5), (1, 5)], update_ms=100).is_stuck(0, NS_PER_S)
    assert not Counter(100).is_stuck(0, NS_PER_S)  # never read: nobody can say that it stands


def test_a_latching_counters_moves_are_known_better_than_its_reads() -> None:
    """Reads every 48 ms of a counter that moves every 100 ms, 7 ms after the full tenth of a second."""
    rng = random.Random(4)
    counter = Counter(100)
    for number in range(400):
        at_ns = number * 48 * NS_PER_MS + rng.randrange(NS_PER_MS)
        counter.add(at_ns, (at_ns - 7 * NS_PER_MS) // (100 * NS_PER_MS) * 30_000)
    moves_ms = [counter.knot_ns(at) / NS_PER_MS for at in range(30, 150)]
    assert max(abs((at_ms - 7) % 100 - 100 * ((at_ms - 7) % 100 > 50)) for at_ms in moves_ms) < 4


def test_a_rhythm_that_slips_is_not_forced() -> None:
    """Half-way the counter's phase jumps by 40 ms: knots on both sides stay within their own reads."""
    counter, reads = Counter(100), []
    for number in range(400):
        at_ns = number * 48 * NS_PER_MS
        phase_ns = (7 if number < 200 else 47) * NS_PER_MS
        reads.append(at_ns)
        counter.add(at_ns, (at_ns - phase_ns) // (100 * NS_PER_MS) * 30_000)
    for at in range(len(counter)):
        low_ns, high_ns = counter._bounds_ns(at)
        assert low_ns <= counter.knot_ns(at) <= high_ns


@given(
    st.lists(st.tuples(st.floats(0.001, 3), st.floats(0, 1e6)), min_size=3, max_size=40),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from([0.0, 100.0, None]),
)
def test_energies_of_neighbouring_stretches_add_up(
    steps: list[tuple[float, float]], one: float, two: float, three: float, update_ms: float | None
) -> None:
    at_s, energy_mj, reads = 0.0, 0.0, []
    for gap_s, more_mj in steps:
        at_s, energy_mj = at_s + gap_s, energy_mj + more_mj
        reads.append((at_s, energy_mj))
    counter = _counter(reads, update_ms)
    span = counter.span_ns
    if span is None:
        return
    a, b, c = sorted(round(span[0] + share * (span[1] - span[0])) for share in (one, two, three))
    left, right, both = counter.between_j(a, b), counter.between_j(b, c), counter.between_j(a, c)
    assert left is not None
    assert right is not None
    assert both == pytest.approx(left + right, abs=1e-6)
    assert left >= -1e-9
