"""When a periodic counter moved, from reads."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_MS
from imaxproxy.power.rhythm import Bounds, Rhythm

MS = NS_PER_MS


def _moves(reads_ms: list[float], period_ms: float, phase_ms: float) -> list[Bounds]:
    """Between which reads each move fell, as far as reads saw one."""
    beats = [int((at - phase_ms) // period_ms) for at in reads_ms]
    pairs = zip(reads_ms, reads_ms[1:], beats, beats[1:], strict=False)
    return [(max(a, b - period_ms) * MS, b * MS) for a, b, one, two in pairs if one != two]


@settings(deadline=None)
@given(st.floats(0, 100), st.integers(0, 1000), st.sampled_from([19.3, 47.0, 48.0]), st.sampled_from([100.0, 83.4]))
def test_period_and_phase_are_found(phase_ms: float, seed: int, tick_ms: float, period_ms: float) -> None:
    rng = random.Random(seed)
    reads_ms = [at * tick_ms + rng.random() for at in range(600)]
    rhythm = Rhythm.of(_moves(reads_ms, period_ms, phase_ms), period_ms * 1.001 * MS)
    assert rhythm is not None
    assert rhythm.period_ns == pytest.approx(period_ms * MS, rel=2e-4)
    later_ms = phase_ms + period_ms * round(reads_ms[300] / period_ms)
    beat_ns = rhythm.beat_in((later_ms - 20) * MS, (later_ms + 20) * MS)
    assert beat_ns == pytest.approx(later_ms * MS, abs=6 * MS)


def test_two_seconds_of_quick_reads_tell_the_beats_of_an_hour() -> None:
    """With a few more at its end, for the clocks drift: here by 2 millionths."""
    rng = random.Random(1)
    start_ms = [at * 5 + rng.random() * 4 for at in range(400)]
    end_ms = [3_600_000 + at * 5 + rng.random() * 4 for at in range(100)]
    seldom_ms = [2050.0 + at * 700 for at in range(5000)]
    period_ms = 100 * (1 + 2e-6)
    moves = _moves([*start_ms, *seldom_ms, *end_ms], period_ms, 37.0)
    rhythm = Rhythm.of(moves, 99.99 * MS)
    assert rhythm is not None
    truth_ms = 37.0 + period_ms * 18_000
    assert rhythm.beat_in((truth_ms - 50) * MS, (truth_ms + 45) * MS) == pytest.approx(truth_ms * MS, abs=4 * MS)


def test_what_keeps_no_time_has_no_rhythm() -> None:
    rng, at_ms, moves = random.Random(2), 0.0, []
    for _ in range(200):
        at_ms += rng.uniform(60, 140)
        moves.append(((at_ms - 10) * MS, at_ms * MS))
    assert Rhythm.of(moves, 100 * MS) is None


def test_few_or_coarse_moves_tell_nothing() -> None:
    assert Rhythm.of([(at * 100 * MS, (at * 100 + 5) * MS) for at in range(7)], 100 * MS) is None
    assert Rhythm.of([(at * 100 * MS, (at * 100 + 90) * MS) for at in range(100)], 100 * MS) is None


def test_two_beats_between_two_reads_are_not_one() -> None:
    rhythm = Rhythm(100 * MS, 0, MS)
    assert rhythm.beat_in(90 * MS, 210 * MS) is None
    assert rhythm.beat_in(110 * MS, 190 * MS) is None
    assert rhythm.beat_in(190 * MS, 230 * MS) == 200 * MS
