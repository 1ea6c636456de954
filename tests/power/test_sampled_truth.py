"""Sampler and attribution together, on a board of known power whose counter costs 3 ms of CPU a read."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_S, VirtualClock
from imaxproxy.power import PowerLine, Recording, WindowEnergy, window_energy
from imaxproxy.power.sampler import Sampler
from tests.power.fakes import SensorSource
from tests.power.sensor import Board, Sensor, decode_board

S = NS_PER_S


def _recorded(board: Board, phase_ms: float, end_s: float, seed: int) -> tuple[Recording, SensorSource]:
    """The sampler's own file, from 1 s on; it wakes up to 1 ms late."""
    clock, rng, lines = VirtualClock(S), random.Random(seed), list[PowerLine]()
    source = SensorSource(clock, Sensor(board, phase_ms=phase_ms))

    def nap(until_ns: int) -> bool:
        clock.advance(max(until_ns - clock(), 0) + rng.randrange(1_000_000))
        return False

    def wait(until_ns: int) -> bool:
        nap(until_ns)
        return clock() > end_s * S

    sampler = Sampler({"nvml": source.open}, lines.append, clock, wait, nap=nap, cpu_clock=lambda: source.cpu_s)
    sampler.begin()
    sampler.calibrate(2 * S)
    at_start_s, reads = source.cpu_s, source.reads
    sampler.run()
    cost_s, reads = source.cpu_s - at_start_s, source.reads - reads
    sampler.close()
    source.cpu_s, source.reads = cost_s, reads
    return Recording.of(lines), source


def test_a_dear_counter_is_read_so_seldom_that_it_costs_under_a_percent() -> None:
    board = Board([(0, 100.0)])
    recording, source = _recorded(board, 30.0, 63.0, 1)
    (series,) = recording.series.values()
    run_s = 60.0
    before_the_last_look = [at for at in series.times_ns if at < 63 * S]
    assert len(before_the_last_look) > 900  # watts at twice the usual tick
    assert 0.9 < source.reads / run_s < 2
    assert source.cpu_s / run_s < 0.01


def _error(found: WindowEnergy, board: Board) -> float:
    assert found.energy_j is not None
    assert found.valid, found.reasons
    return abs(found.energy_j / board.between_j(found.begin_ns, found.end_ns) - 1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 100), st.floats(0, 2))
def test_ten_seconds_are_within_half_a_percent(seed: int, phase_ms: float, into_s: float) -> None:
    """Within a load (of 800 the worst was off by 0.30 %), and a little less surely with both of its edges: where a
    prompt is read just at an edge, nobody can say on which side. The next test says how often that is as good."""
    board = decode_board(random.Random(seed), 6.0, 19.0, 40.0)
    recording, _ = _recorded(board, phase_ms, 23.0, seed)
    series = list(recording.series.values())
    begin_ns = round((6.5 + into_s) * S)
    assert _error(window_energy(series, begin_ns, begin_ns + 10 * S), board) < 0.005
    assert _error(window_energy(series, 6 * S, 19 * S), board) < 0.0075


def test_of_thirty_whole_loads_of_ten_seconds_at_most_one_is_off_by_more_than_half_a_percent() -> None:
    """Of a thousand three are, by 0.6 at most."""
    errors = []
    for seed in range(30):
        rng = random.Random(seed)
        begin_s = 6.0 + rng.random()
        board = decode_board(random.Random(seed), begin_s, begin_s + 10, 60.0)
        recording, _ = _recorded(board, rng.uniform(0, 100), begin_s + 13, seed)
        whole = window_energy(list(recording.series.values()), round(begin_s * S), round((begin_s + 10) * S))
        errors.append(_error(whole, board))
    assert sorted(errors)[28] < 0.005
    assert sorted(errors)[20] < 0.002


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 100), st.floats(0, 1), st.floats(200, 600))
def test_one_steady_second_is_within_one_percent(seed: int, phase_ms: float, into: float, power_w: float) -> None:
    steps = [(0, 115.0)]
    steps += [(6 * S + at * 10_000_000, power_w * (1.1 if at % 2 else 0.9)) for at in range(1000)]
    board = Board([*steps, (16 * S, 115.0)])
    recording, _ = _recorded(board, phase_ms, 19.0, seed)
    begin_ns = round((9 + into) * S)
    found = window_energy(list(recording.series.values()), begin_ns, begin_ns + S)
    assert _error(found, board) < 0.01
