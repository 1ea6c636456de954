"""Whose energy it was: nothing is lost, nothing twice, and a token costs what its tick cost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import Exchange
from imaxproxy.power.curve import EnergyCurve
from imaxproxy.power.sharing import RequestEnergy, Sharer
from imaxproxy.power.ticks import TickGrid, TokenTicks
from imaxproxy.power.window import window_energy
from tests.power.exchanges import exchange, load
from tests.power.sensor import Board, Poller, Sensor

S = NS_PER_S


def _curve(board: Board, begin_s: float, end_s: float) -> EnergyCurve:
    recording = Poller(Sensor(board), 48.0).recording(1.0, end_s + 4)
    window = window_energy(recording.counted, round(begin_s * S), round(end_s * S))
    return EnergyCurve(window, recording.counted)


def _shared(
    exchanges: list[Exchange], board: Board, begin_s: float, end_s: float, weight: float = 0.1
) -> tuple[Sharer, list[RequestEnergy]]:
    ticks = TokenTicks(TickGrid.of(round(begin_s * S), round(end_s * S)))
    for each in exchanges:
        ticks.add(each)
    sharer = Sharer(ticks, _curve(board, begin_s, end_s), weight)
    shares = [share for each in exchanges if (share := sharer.prices.share_of(each)) is not None]
    return sharer, shares


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.just(0.0) | st.floats(1e-6, 1), st.floats(100, 700))
def test_requests_and_what_is_nobodys_add_up_to_the_window(seed: int, weight: float, power_w: float) -> None:
    exchanges = list(load(seed, 6.0, 14.0))
    board = Board([(0, 115.0), (6 * S, power_w), (15 * S, 130.0)])
    sharer, shares = _shared(exchanges, board, 5.0, 20.0, weight)
    total_j = sum(share.energy_j for share in shares)
    assert total_j == pytest.approx(sharer.attributed_j, rel=1e-9)
    assert total_j + sharer.unattributed_j == pytest.approx(sharer.total_j, rel=1e-9)
    assert sharer.total_j == pytest.approx(_curve(board, 5.0, 20.0).between_j(5 * S, 20 * S), rel=1e-9)
    assert sharer.prefill_j + sharer.reasoning_j + sharer.answer_j <= total_j * (1 + 1e-9)


def test_tokens_of_a_tick_cost_the_same_whoever_asked() -> None:
    many = exchange(6.0, 6.0, 0.01, 400, input_tokens=0)
    few = exchange(6.0, 6.0, 0.05, 80, input_tokens=0)
    _, (big, small) = _shared([many, few], Board([(0, 400.0)]), 6.0, 10.0)
    assert big.energy_j == pytest.approx(5 * small.energy_j, rel=0.01)
    assert big.energy_j + small.energy_j == pytest.approx(1600, rel=0.01)


def test_reasoning_and_answer_have_the_energy_of_their_own_time() -> None:
    """Reasoning for two seconds at 600 W, then an answer for two at 300 W."""
    one = exchange(6.0, 6.0, 0.01, 400, reasoning=200, input_tokens=0)
    board = Board([(0, 600.0), (8 * S, 300.0)])
    sharer, (share,) = _shared([one], board, 6.0, 10.0)
    assert share.reasoning_j == pytest.approx(1200, rel=0.02)
    assert share.answer_j == pytest.approx(600, rel=0.03)
    assert (sharer.reasoning_j, sharer.answer_j) == (share.reasoning_j, share.answer_j)


def test_a_prompt_being_read_counts_by_its_weight_and_what_was_cached_does_not() -> None:
    reading = exchange(6.0, 10.0, tokens=1, input_tokens=5000, cached=1000, name="reads")
    making = exchange(6.0, 6.0, 0.01, 400, input_tokens=0, name="makes")
    _, (reads, makes) = _shared([reading, making], Board([(0, 400.0)]), 6.0, 10.0, weight=0.1)
    assert reads.prefill_j == pytest.approx(makes.answer_j * 4000 * 0.1 / 400, rel=0.01)


def test_a_tick_without_tokens_is_the_requests_in_flight_and_without_those_nobodys() -> None:
    waiting = exchange(7.0, 9.0, tokens=1, input_tokens=0)
    sharer, (share,) = _shared([waiting], Board([(0, 200.0)]), 6.0, 10.0)
    assert share.waiting_j == pytest.approx(400, rel=0.06)
    assert sharer.unattributed_j == pytest.approx(400, rel=0.06)


def test_answers_without_counts_are_shared_by_their_events_and_said() -> None:
    uncounted = exchange(6.0, 6.0, 0.01, 400, counted=False, input_tokens=0)
    ticks = TokenTicks(TickGrid.of(6 * S, 10 * S))
    ticks.add(uncounted)
    assert ticks.uncertain == 1
    _, (share,) = _shared([uncounted], Board([(0, 100.0)]), 6.0, 10.0)
    assert share.energy_j == pytest.approx(400, rel=0.01)


def test_a_whole_answer_is_made_evenly_between_send_and_end() -> None:
    from dataclasses import replace

    from imaxproxy.metrics import Timeline, Usage

    whole = replace(
        exchange(6.0, 9.9, tokens=5),
        timeline=Timeline(counted=False),
        ended_ns=10 * S,
        usage=Usage(0, 400),
        streamed=False,
    )
    _, (share,) = _shared([whole], Board([(0, 100.0)]), 6.0, 10.0)
    assert share.answer_j == pytest.approx(400, rel=0.01)
