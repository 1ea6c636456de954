import io
from typing import Any

import pytest
from rich.console import Console

from imaxproxy.economics import Business, Owner, Point, Rates, Terms, TokenPrices, calculate, gpu_kinds, nvidia_15x
from imaxproxy.report import print_cost, print_example, print_hardware


def printed(call: Any, *arguments: Any) -> str:  # noqa: ANN401
    file = io.StringIO()
    call(Console(file=file, width=160, color_system=None), *arguments)
    return file.getvalue()


def cost(terms: Terms, simulated: bool = False, **business: Any) -> str:  # noqa: ANN401
    point = Point("b200", 8, Rates(160_000.0, 20_000.0), tps_per_user=50.0, simulated=simulated)
    return printed(print_cost, calculate(point, terms, Business(**business)))


def test_every_assumption_is_in_print() -> None:
    text = cost(Terms("A/rental", usd_per_kwh=0.07), utilisation=0.5)
    assert "8 x b200 at $2.9 a GPU-hour" in text
    assert "USD per million, 50% utilised" in text
    assert "b200 price, rental: 2.9 USD/GPU-hour (InferenceX-app packages/app/src/lib/constants.ts" in text
    assert "2025-10-09" in text
    assert "power price: 0.07 USD/kWh (given by --power-price)" in text
    assert "utilisation: 0.5" in text
    assert text.count("utilisation:") == 1
    assert "SIMULATED" not in text


def test_a_simulated_run_says_so() -> None:
    assert "SIMULATED" in cost(Terms(), simulated=True)


def test_return_and_fleet_are_sentences() -> None:
    terms = Terms("own", usd_per_kwh=0.0, owner=Owner(35_040.0))
    text = cost(terms, sells=TokenPrices(0.1, 0.4), megawatts=1.0)
    assert "capital $1, colocation $0, electricity $0" in text
    assert "margin 89.9%" in text
    assert "pays back after 0.40 years" in text
    assert "584 GPUs, 29,200 streams at once" in text


def test_a_gpu_without_a_table_has_no_power_rows() -> None:
    text = printed(print_cost, calculate(Point("abacus", 1, Rates(10.0, 5.0)), Terms("1"), Business()))
    assert " MW" not in text


def test_an_example_prints_what_it_takes_for_granted() -> None:
    text = printed(print_example, nvidia_15x())
    assert "free assumptions" in text
    assert "USD per million total tokens" in text
    assert "utilisation: 1 share of time at that point" in text


@pytest.mark.parametrize("kind", gpu_kinds())
def test_the_hardware_table_has_every_gpu(kind: str) -> None:
    assert f" {kind} " in printed(print_hardware)
