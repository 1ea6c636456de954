import io
import json

import pytest

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.economics import load_gpu
from imaxproxy.sim import Deployment, EnergyCounter, PowerLog, PowerModel, StepLoad, StepModel, load_architecture


def test_energy_is_the_sum_of_watts_times_seconds_whatever_the_sampling() -> None:
    for sample_ns in (None, 7 * NS_PER_MS, 100 * NS_PER_MS):
        counter = EnergyCounter(0, 2, 100.0, 0, sample_ns)
        counter.step(NS_PER_S, NS_PER_S + 3 * NS_PER_MS, 700.0)  # a second idle before it
        counter.step(NS_PER_S + 3 * NS_PER_MS, NS_PER_S + 10 * NS_PER_MS, 500.0)
        counter.idle_until(2 * NS_PER_S)
        assert counter.energy_j == pytest.approx(100 + 0.003 * 700 + 0.007 * 500 + 0.99 * 100)
        assert counter.total_j == pytest.approx(2 * counter.energy_j)


def test_samples_are_regular_and_join_up_with_the_energy() -> None:
    counter = EnergyCounter(4, 2, 100.0, 0)
    counter.step(0, 250 * NS_PER_MS, 600.0)
    samples = counter.take()
    assert [(sample.time_ns // NS_PER_MS, sample.device) for sample in samples] == [
        (0, 4), (0, 5), (100, 4), (100, 5), (200, 4), (200, 5),
    ]  # fmt: skip
    assert [sample.energy_j for sample in samples[::2]] == pytest.approx([0, 60, 120])
    assert counter.take() == []


def test_a_faster_clock_spends_the_same_energy() -> None:
    counter = EnergyCounter(0, 1, 100.0, 0, None, time_scale=10)
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


def test_a_line_is_marked_simulated() -> None:
    counter, file = EnergyCounter(0, 1, 100.0, 0), io.BytesIO()
    counter.step(0, 1, 600.0)
    PowerLog(file).add(counter.take()[0])
    line = json.loads(file.getvalue())
    assert (line["simulated"], line["source"], line["boundary"], line["device"]) == (True, "sim", "board", "sim-gpu-0")
