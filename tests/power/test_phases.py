"""Prefill against decode from outside: known costs are found again within their interval."""

import random

import pytest

from imaxproxy.clock import NS_PER_S
from imaxproxy.power.curve import EnergyCurve
from imaxproxy.power.phases import NoPhases, Phases, find_phases
from imaxproxy.power.ticks import TickGrid, TokenTicks
from imaxproxy.power.window import window_energy
from tests.power.exchanges import exchange, load
from tests.power.sensor import Board, Poller, Sensor

S = NS_PER_S
IDLE_W, BUSY_W, PREFILL_J, DECODE_J = 110.0, 150.0, 0.02, 0.6


def _board(ticks: TokenTicks, noise: float) -> Board:
    """Power that follows the tokens of each tick exactly, but for noise."""
    rng, steps, grid = random.Random(7), [(0, IDLE_W)], ticks.grid
    for at_ns, given, made, present in zip(grid.edges_ns, ticks.prefill, ticks.output, ticks.present, strict=False):
        tick_s = grid.tick_ns / S
        power_w = IDLE_W + BUSY_W * min(present, 1.0) + (PREFILL_J * given + DECODE_J * made) / tick_s
        steps.append((at_ns, max(power_w * rng.gauss(1, noise), 1.0)))
    return Board([*steps, (grid.end_ns, IDLE_W)])


def _phases(seed: int, seconds: float, noise: float = 0.02, rate: float = 3.0) -> Phases:
    begin_s, end_s = 6.0, 6.0 + seconds
    ticks = TokenTicks(TickGrid.of(round(begin_s * S), round(end_s * S)))
    for each in load(seed, begin_s, end_s - 1, rate):
        ticks.add(each)
    recording = Poller(Sensor(_board(ticks, noise), phase_ms=0.0), 48.0).recording(1.0, end_s + 4)
    window = window_energy(recording.counted, ticks.grid.begin_ns, ticks.grid.end_ns)
    return find_phases(ticks, EnergyCurve(window, recording.counted), IDLE_W)


def test_known_costs_are_found_within_a_few_percent() -> None:
    found = _phases(3, 120, noise=0.0)
    assert found.decode_j_per_output_token.value == pytest.approx(DECODE_J, rel=0.03)
    assert found.prefill_j_per_input_token.value == pytest.approx(PREFILL_J, rel=0.05)
    assert found.busy_w.value == pytest.approx(BUSY_W, rel=0.05)
    assert found.r2 > 0.98
    assert found.prefill_weight == pytest.approx(PREFILL_J / DECODE_J, rel=0.08)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = 0
    for seed in range(20):
        found = _phases(seed, 60, noise=0.1)
        held += found.decode_j_per_output_token.low <= DECODE_J <= found.decode_j_per_output_token.high
        held += found.prefill_j_per_input_token.low <= PREFILL_J <= found.prefill_j_per_input_token.high
    assert held >= 30  # of 40; 95 % would be 38, block bootstraps of 60 slices are known to be a little narrow


def test_no_coefficient_is_below_zero() -> None:
    found = _phases(1, 30, noise=0.8)
    for estimate in (found.busy_w, found.prefill_j_per_input_token, found.decode_j_per_output_token):
        assert 0 <= estimate.low <= estimate.high
        assert estimate.value >= 0


def test_a_short_run_says_that_it_is() -> None:
    with pytest.raises(NoPhases, match="5 slices of 1 s, at least 12 are needed"):
        _phases(1, 5)


def test_a_mix_that_does_not_vary_says_so() -> None:
    ticks = TokenTicks(TickGrid.of(6 * S, 36 * S))
    for at in range(300):
        ticks.add(exchange(6 + at / 10, 6.05 + at / 10, 0.001, 20, input_tokens=100))
    recording = Poller(Sensor(Board([(0, 300.0)])), 48.0).recording(1.0, 40.0)
    window = window_energy(recording.counted, 6 * S, 36 * S)
    with pytest.raises(NoPhases, match="does not vary"):
        find_phases(ticks, EnergyCurve(window, recording.counted), 100.0)
