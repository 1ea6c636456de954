from itertools import pairwise

import pytest

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.economics import load_gpu
from imaxproxy.power import line_of
from imaxproxy.sim import Boards, Deployment, EnergyCounter, PowerModel, StepLoad, StepModel, load_architecture
from imaxproxy.sim.power import SAMPLE_NS

IDLE_W = 165.0


def counter_of(
    *, first: int = 0, count: int = 1, sample_ns: int | None = SAMPLE_NS, time_scale: float = 1.0
) -> EnergyCounter:
    """Of B200s, which idle at 165 W."""
    return EnergyCounter(Boards(first, count, PowerModel(load_gpu("b200")), time_scale), 0, sample_ns)


def test_energy_is_the_sum_of_watts_times_seconds_whatever_the_sampling() -> None:
    for sample_ns in (None, 7 * NS_PER_MS, 100 * NS_PER_MS):
        counter = counter_of(count=2, sample_ns=sample_ns)
        counter.step(NS_PER_S, NS_PER_S + 3 * NS_PER_MS, 700.0)  # a second idle before it
        counter.step(NS_PER_S + 3 * NS_PER_MS, NS_PER_S + 10 * NS_PER_MS, 500.0)
        counter.idle_until(2 * NS_PER_S)
        assert counter.energy_j == pytest.approx(IDLE_W + 0.003 * 700 + 0.007 * 500 + 0.99 * IDLE_W)
        assert counter.total_j == pytest.approx(2 * counter.energy_j)


def test_samples_are_regular_and_join_up_with_the_energy() -> None:
    counter = counter_of(first=4, count=2)
    counter.step(0, 250 * NS_PER_MS, 600.0)
    samples = counter.take()
    assert [(sample.time_ns // NS_PER_MS, sample.device) for sample in samples] == [
        (at_ms, f"sim-gpu-{board}") for at_ms in (0, 100, 200) for board in (4, 5)
    ]
    assert [sample.energy_mj for sample in samples[::2]] == pytest.approx([0, 60_000, 120_000])
    assert counter.take() == []


def test_a_faster_clock_spends_the_same_energy() -> None:
    counter = counter_of(sample_ns=None, time_scale=10)
    counter.step(0, 100 * NS_PER_MS, 700.0)
    assert counter.energy_j == pytest.approx(700)


@pytest.mark.parametrize("gpu", ["h100", "h200", "b200", "gb200"])
def test_watts_lie_between_idle_and_the_boards_limit(gpu: str) -> None:
    board = load_gpu(gpu)
    power = PowerModel(board)
    model = StepModel(Deployment(load_architecture("gpt-oss-120b"), board, "vllm", "fp4", tp=2))
    small, large = StepLoad(1, 1000), StepLoad(256, 2000, 8192, 1000)
    watts = [power.watts(model.use(load, model.step_s(load))) for load in (small, large)]
    assert power.idle_w < watts[0] < watts[1] <= board.tdp_w


def test_lines_are_those_of_any_source_marked_simulated() -> None:
    counter = counter_of(count=2)
    counter.step(0, 350 * NS_PER_MS, 600.0)
    lines = [*counter.boards.devices(0), *counter.take()]
    assert [line_of(line.as_row()) for line in lines] == lines
    assert all(line.as_row()["simulated"] for line in lines)
    for sooner, later in pairwise(line for line in lines[2:] if line.device == "sim-gpu-1"):
        assert later.energy_mj - sooner.energy_mj == pytest.approx(600 * (later.time_ns - sooner.time_ns) / 1e6)
