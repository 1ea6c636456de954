"""Energy of a window, against a board whose power is known at every time; and every reason not to believe one."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_S
from imaxproxy.power import PowerLine, PowerSample
from imaxproxy.power.reasons import MEANINGS, Reason, Warn
from imaxproxy.power.series import Recording
from imaxproxy.power.window import BY_AVERAGE, BY_INSTANT, COUNTER, WindowEnergy, window_energy
from tests.power.sensor import DEVICE, Board, Poller, Sensor, decode_board

S = NS_PER_S


def _relative_error(found: WindowEnergy, board: Board) -> float:
    assert found.energy_j is not None
    return found.energy_j / board.between_j(found.begin_ns, found.end_ns) - 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 100), st.sampled_from([48.0, 20.0]))
def test_ten_seconds_with_both_edges_are_within_half_a_percent(seed: int, phase_ms: float, tick_ms: float) -> None:
    board = decode_board(random.Random(seed), 6.0, 16.0, 40.0)
    recording = Poller(Sensor(board, phase_ms=phase_ms), tick_ms, seed).recording(1.0, 20.0)
    found = window_energy(recording.counted, 6 * S, 16 * S)
    assert abs(_relative_error(found, board)) < 0.005
    assert found.valid, found.reasons
    assert found.method == COUNTER


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 100), st.floats(0, 1), st.floats(200, 600))
def test_one_steady_second_is_within_one_percent(seed: int, phase_ms: float, into: float, power_w: float) -> None:
    steps = [(0, 115.0)]
    steps += [(6 * S + at * 10_000_000, power_w * (1.1 if at % 2 else 0.9)) for at in range(1000)]
    board = Board([*steps, (16 * S, 115.0)])
    recording = Poller(Sensor(board, phase_ms=phase_ms), 48.0, seed).recording(1.0, 20.0)
    begin_ns = round((9 + into) * S)
    found = window_energy(recording.counted, begin_ns, begin_ns + S)
    assert abs(_relative_error(found, board)) < 0.01
    assert found.valid
    assert Warn.SHORT_WINDOW in found.warnings


def test_the_error_bar_covers_what_the_edges_cost() -> None:
    """Over 60 windows whose ends are the load's own: the deviation in units of the printed error of the edges."""
    outside = 0
    for seed in range(60):
        rng = random.Random(seed)
        board = decode_board(rng, 6.0, 9.0, 40.0)
        recording = Poller(Sensor(board, phase_ms=rng.uniform(0, 100)), 48.0, seed).recording(1.0, 14.0)
        found = window_energy(recording.counted, 6 * S, 9 * S)
        outside += abs(_relative_error(found, board)) > 2 * found.error_parts["edges"]
    assert outside <= 6  # two standard errors hold 95 %


def _steady(change: Callable[[PowerSample], PowerSample | None] = lambda sample: sample, **device: object) -> Recording:
    """20 s at 400 W; `change` edits every sample, or takes it away."""
    poller = Poller(Sensor(Board([(0, 400.0)])), 48.0)
    poller.device = replace(DEVICE, **device)  # type: ignore[arg-type]

    def lines() -> Iterator[PowerLine]:
        for line in poller.lines(2 * S, 22 * S):
            if not isinstance(line, PowerSample):
                yield line
            elif (changed := change(line)) is not None:
                yield changed

    return Recording.of(lines())


def _found(recording: Recording, begin_s: float = 5.0, end_s: float = 15.0) -> WindowEnergy:
    return window_energy(recording.counted, round(begin_s * S), round(end_s * S))


def _other_watts(sample: PowerSample, factor: float) -> PowerSample:
    return replace(sample, power_w=(sample.power_w or 0) * factor, power_avg_w=(sample.power_avg_w or 0) * factor)


def _only_joules(sample: PowerSample, energy_mj: float) -> PowerSample:
    return PowerSample(sample.time_ns, sample.device, energy_mj=energy_mj)


def test_a_sound_recording_is_valid_without_a_word() -> None:
    found = _found(_steady(counter_update_ms=100.0))
    assert (found.energy_j, found.method) == (pytest.approx(4000, rel=1e-3), COUNTER)
    assert (found.reasons, found.warnings) == ((), ())
    assert found.relative_error == pytest.approx(0.05, abs=0.002)  # the sensor's gain is what is left
    assert {name: abs(value) < 0.002 for name, value in found.crosscheck.items()} == {
        BY_AVERAGE: True,
        BY_INSTANT: True,
    }


@pytest.mark.parametrize(
    ("change", "method", "warning"),
    [
        # the counter is missing, restarts, or stands: power is integrated
        (lambda s: replace(s, energy_mj=None), BY_AVERAGE, Warn.NO_COUNTER),
        (lambda s: replace(s, energy_mj=None, power_avg_w=None), BY_INSTANT, Warn.NO_COUNTER),
        (lambda s: replace(s, energy_mj=s.energy_mj - 5e6 * (s.time_ns > 8 * S)), BY_AVERAGE, Warn.COUNTER_RESET),
        (lambda s: replace(s, energy_mj=min(s.energy_mj, 8_000_000)), BY_AVERAGE, Warn.COUNTER_STUCK),
        # nothing to check it by
        (lambda s: replace(s, power_w=None, power_avg_w=None), COUNTER, Warn.CROSSCHECK_MISSING),
        # 4 %: fair
        (lambda s: _other_watts(s, 1.04), COUNTER, Warn.CROSSCHECK_FAIR),
        # the instant channel sees a part of the time
        (lambda s: replace(s, power_w=s.power_w * 1.2), COUNTER, Warn.INSTANT_ALIASED),
        # values that cannot be
        (lambda s: replace(s, power_w=-5.0 if s.time_ns % 7 == 0 else s.power_w), COUNTER, Warn.BAD_SAMPLES),
        (lambda s: replace(s, energy_mj=-1.0 if s.time_ns % 7 == 0 else s.energy_mj), COUNTER, Warn.BAD_SAMPLES),
        (lambda s: replace(s, power_w=float("nan") if s.time_ns % 7 == 0 else s.power_w), COUNTER, Warn.BAD_SAMPLES),
        # a gap in the middle is bridged by the counter
        (lambda s: None if 8 * S < s.time_ns < 12 * S else s, COUNTER, Warn.SAMPLING_GAP),
    ],
)  # fmt: skip
def test_what_is_less_sure_is_valid_with_a_warning(
    change: Callable[[PowerSample], PowerSample | None], method: str, warning: Warn
) -> None:
    found = _found(_steady(change))
    assert found.energy_j == pytest.approx(4000, rel=0.01)
    assert found.valid, found.reasons
    assert (found.method, warning in found.warnings) == (method, True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: _other_watts(s, 1.07), Reason.CROSSCHECK_FAILED),
        (lambda s: _only_joules(s, s.energy_mj - 5e6 * (s.time_ns > 8 * S)), Reason.COUNTER_RESET),
        (lambda s: _only_joules(s, min(s.energy_mj, 8e6)), Reason.COUNTER_STUCK),
        (lambda s: None if s.time_ns < 6 * S else s, Reason.WINDOW_NOT_BRACKETED),
        (lambda s: None if s.time_ns > 14 * S else s, Reason.WINDOW_NOT_BRACKETED),
        (lambda s: None if 4.5 * S < s.time_ns < 8 * S else s, Reason.SAMPLING_GAP),  # at the window's edge
        (lambda s: replace(s, energy_mj=None) if not 8 * S < s.time_ns < 12 * S else None, Reason.SAMPLING_GAP),
        (lambda s: replace(s, time_ns=s.time_ns - 2 * S * (9 * S < s.time_ns < 9.1 * S)), Reason.CLOCK_JUMPED),
        (lambda s: replace(s, energy_mj=s.energy_mj * 3, power_w=1200.0, power_avg_w=1200.0), Reason.IMPLAUSIBLE_POWER),
        (lambda _: None, Reason.NO_USABLE_SAMPLES),
        (lambda s: PowerSample(s.time_ns, s.device, temperature_c=40), Reason.WINDOW_NOT_BRACKETED),
    ],
)  # fmt: skip
def test_what_is_not_to_be_believed_says_why(
    change: Callable[[PowerSample], PowerSample | None], reason: Reason
) -> None:
    found = _found(_steady(change))
    assert not found.valid
    assert reason in found.reasons
    assert all(code in MEANINGS for code in (*found.reasons, *found.warnings))


def test_a_window_under_a_second_is_not_believed() -> None:
    assert Reason.WINDOW_TOO_SHORT in _found(_steady(), 5.0, 5.9).reasons


def test_a_source_that_moves_seldom_widens_the_error() -> None:
    def every_three_seconds(sample: PowerSample) -> PowerSample:
        at_ns = sample.time_ns // (3 * S) * 3 * S
        return PowerSample(sample.time_ns, sample.device, energy_mj=at_ns / S * 400_000)

    found = _found(_steady(every_three_seconds), 6.0, 16.0)
    assert Warn.SLOW_SOURCE in found.warnings
    assert found.energy_j == pytest.approx(4000, rel=0.02)


def test_several_boards_add_up_and_one_without_energy_leaves_none() -> None:
    two = _steady()
    other = _steady()
    two.series["GPU-1"] = other.series["GPU-0"]
    assert _found(two).energy_j == pytest.approx(8000, rel=1e-3)
    two.series["GPU-1"] = _steady(lambda _: None).series["GPU-0"]
    assert _found(two).energy_j is None
    assert Reason.NO_USABLE_SAMPLES in _found(two).reasons


def test_a_faster_simulation_draws_its_watts_in_less_of_the_clocks_time() -> None:
    scaled = _steady(lambda s: replace(s, energy_mj=s.energy_mj * 10), time_scale=10.0)
    found = _found(scaled)
    assert found.energy_j == pytest.approx(40_000, rel=1e-3)
    assert found.valid, found.reasons  # 4,000 W of the clock's seconds are 400 of the board's


def test_no_devices_no_energy() -> None:
    found = window_energy([], 0, S)
    assert (found.energy_j, found.reasons) == (None, (Reason.NO_USABLE_SAMPLES,))
