import pytest

from imaxproxy.live.screen.window import Window
from imaxproxy.live.snapshot import METRICS
from live.samples import row, snapshot

ONE, TWO = snapshot(1), snapshot(2)
WINDOW = Window(ONE).closed(TWO)


def test_rates_are_of_what_came_within() -> None:
    seconds = TWO.elapsed_s - ONE.elapsed_s
    figures = WINDOW.figures(TWO)
    done = TWO.requests["completed"] - ONE.requests["completed"]
    assert done > 0
    assert figures.requests_per_s == pytest.approx(done / seconds)
    tokens = row(2)["run"]["tokens"]["output"] - row(1)["run"]["tokens"]["output"]
    assert figures.output_tokens_per_s == pytest.approx(tokens / seconds)


@pytest.mark.parametrize("name", [name for name, _, _ in METRICS])
def test_so_many_values_as_the_run_got_more(name: str) -> None:
    block = WINDOW.figures(TWO).block(name)
    assert block.count == TWO.run.block(name).count - ONE.run.block(name).count
    assert block.p50 is not None
    assert block.p99 is not None
    assert block.p50 <= block.p99


def test_an_open_window_ends_now() -> None:
    assert Window(ONE).figures(TWO) == WINDOW.figures(ONE)
    assert Window(ONE).span_s(TWO) == pytest.approx(TWO.elapsed_s - ONE.elapsed_s)


def test_a_window_in_which_nothing_was_is_not_known() -> None:
    figures = Window(TWO).figures(TWO)
    assert figures.requests_per_s is None
    assert figures.block("ttft_ms").p50 is None


def test_ends_are_put_in_order() -> None:
    assert Window(TWO).closed(ONE) == WINDOW
