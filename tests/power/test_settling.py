"""Exporters that answer with figures of half a minute ago."""

import random
from dataclasses import replace

import pytest

from imaxproxy.clock import NS_PER_S, VirtualClock
from imaxproxy.power import PowerLine, PowerSample, Reason, Recording, Warn, WindowEnergy, window_energy
from imaxproxy.power.sampler import Sampler
from imaxproxy.power.settling import Settling
from imaxproxy.power.survey import look_at
from tests.power.fakes import SensorSource
from tests.power.sensor import DEVICE, Board, Sensor, decode_board

S = NS_PER_S


class Exporter(SensorSource):
    """Asked five times a second, as the real one is."""

    drops: tuple[str, ...] = ()
    """What its counters file leaves out."""

    def sample(self, counters: object = None) -> list[PowerSample]:
        return [replace(each, **dict.fromkeys(self.drops)) for each in super().sample()]  # type: ignore[arg-type]


def _run(board: Board, latch_ms: float, load_s: float, *drops: str) -> tuple[Recording, float, float, float]:
    """The file, when the run could begin, when it ended, and when the sampler had done; s of the clock."""
    clock, lines = VirtualClock(S), list[PowerLine]()
    source = Exporter(clock, Sensor(board, latch_ms=latch_ms), counter_cpu_s=0.0, name="dcgm")
    source.tick_ms, source.settle_s, source.drops = 200.0, 62.0, drops
    end_s = 0.0

    def nap(until_ns: int) -> bool:
        clock.advance(max(until_ns - clock(), 0))
        return False

    sampler = Sampler({"dcgm": source.open}, lines.append, clock, lambda at: nap(at) or clock() > end_s * S, nap=nap)
    sampler.begin()
    end_s = float("inf")
    sampler.settle()
    sampler.calibrate(2 * S)
    begin_s = clock() / S
    end_s = begin_s + load_s
    sampler.run()
    sampler.close()
    return Recording.of(lines), begin_s, end_s, clock() / S


def _window(recording: Recording, begin_s: float, end_s: float) -> WindowEnergy:
    return window_energy(recording.counted, round(begin_s * S), round(end_s * S))


@pytest.mark.parametrize("seed", range(8))
def test_a_run_is_bracketed_by_collections_of_half_a_minute(seed: int) -> None:
    """Two minutes of load: within the printed error, which says how wide that is."""
    board = decode_board(random.Random(seed), 70.0, 190.0, 300.0)
    recording, begin_s, end_s, done_s = _run(board, 30_000.0, 135.0)
    assert 31 < begin_s < 63  # two collections, wherever the first one falls
    assert 0 < done_s - end_s < 37
    found = _window(recording, 70.0, 190.0)
    assert found.valid, found.reasons
    assert {Warn.SLOW_SOURCE, Warn.CROSSCHECK_MISSING} <= set(found.warnings)
    error = found.energy_j / board.between_j(found.begin_ns, found.end_ns) - 1  # type: ignore[operator]
    assert abs(error) < 2 * found.error_parts["edges"]
    assert 0.001 < found.error_parts["edges"] < 0.1


def test_one_that_was_told_to_collect_quickly_makes_nobody_wait() -> None:
    recording, begin_s, end_s, done_s = _run(Board([(0, 300.0), (9 * S, 500.0)]), 100.0, 20.0)
    assert begin_s < 2.0
    assert done_s - end_s < 0.5
    found = _window(recording, 10.0, 20.0)
    assert (found.energy_j, found.valid) == (pytest.approx(5000, rel=1e-3), True)


def test_stale_watts_alone_make_no_figure() -> None:
    """Its counters file lacks the energy: the integral would be of half a minute before."""
    board = Board([(at * S, 120.0 + at % 3) for at in range(70)] + [(70 * S, 500.0)])
    recording, *_ = _run(board, 30_000.0, 60.0, "energy_mj")
    found = _window(recording, 70.0, 100.0)
    assert (found.energy_j, found.reasons) == (None, (Reason.SOURCE_TOO_SLOW,))


def test_one_whose_figures_never_move_is_waited_for_so_long_and_no_longer() -> None:
    recording, begin_s, end_s, done_s = _run(Board([(0, 300.0)]), 1e9, 10.0)
    assert 62 < begin_s < 64
    assert done_s - end_s < 0.5
    assert _window(recording, begin_s, end_s).reasons == (Reason.SOURCE_TOO_SLOW,)


@pytest.mark.parametrize(("look_s", "seen_ms"), [(2.0, None), (65.0, 30_000.0)])
def test_a_look_at_an_exporter_takes_as_long_as_was_said(look_s: float, seen_ms: float | None) -> None:
    clock = VirtualClock(S)
    source = Exporter(clock, Sensor(Board([(0, 300.0)]), latch_ms=30_000.0), counter_cpu_s=0.0, name="dcgm")
    source.tick_ms, source.settle_s = 200.0, 62.0

    def nap(until_ns: int) -> bool:
        clock.advance(max(until_ns - clock(), 0))
        return False

    (seen,) = look_at(source.open, clock, nap, look_s)
    assert clock() / S == pytest.approx(1.0 + look_s, abs=0.3)
    found_ms = seen.series.device.counter_update_ms
    assert found_ms == (None if seen_ms is None else pytest.approx(seen_ms, abs=200))


def test_moves_are_those_of_all_devices() -> None:
    settling = Settling(["GPU-0", "GPU-1"])
    for at_s, name, energy_mj in [(0, "GPU-0", 1.0), (30, "GPU-0", 2.0), (60, "GPU-0", 3.0), (0, "GPU-1", 5.0)]:
        settling.see(PowerSample(at_s * S, name, energy_mj=energy_mj))
    settling.see(PowerSample(S, "GPU-9", energy_mj=1.0))  # of somebody else
    assert not settling.has_moved()
    settling.see(PowerSample(40 * S, "GPU-1", power_avg_w=100.0))
    assert settling.has_moved()
    assert not settling.has_moved(2)
    assert (settling.period_ms("GPU-0"), settling.period_ms("GPU-1")) == (30_000.0, None)
    assert settling.longest_ns() == 37 * S
    assert Settling([DEVICE.device]).longest_ns() is None
