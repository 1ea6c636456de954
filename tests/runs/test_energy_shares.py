from array import array
from dataclasses import replace

import orjson
import pytest

from imaxproxy.clock import NS_PER_S
from imaxproxy.power import TickGrid, TickPrices
from imaxproxy.runs.energy_shares import EnergyShares
from runs.made_run import ZERO_NS, answered


def prices(j_per_token: float) -> TickPrices:
    grid = TickGrid.of(ZERO_NS, ZERO_NS + NS_PER_S)
    return TickPrices(grid, 0.1, array("d", [j_per_token] * grid.count), array("d", [0.0] * grid.count))


def test_each_request_that_reached_an_engine_has_a_line_and_a_place_in_the_histogram() -> None:
    sent = answered(0.1, request_id="sent", input_tokens=36)  # of which 6 were cached; 4 output tokens
    never = replace(sent, ask=replace(sent.ask, sent_ns=None))
    shares = EnergyShares.of([sent, never], prices(2.0))
    (row,) = map(orjson.loads, shares.lines.splitlines())
    assert row["request_id"] == "sent"
    assert (row["prefill_j"], row["reasoning_j"], row["answer_j"], row["waiting_j"]) == pytest.approx((6, 2, 6, 0))
    assert row["energy_j"] == pytest.approx(14)
    assert (shares.requests_j.total, shares.requests_j.maximum) == (1, 14_000)


def test_nothing_has_nothing() -> None:
    shares = EnergyShares.of([], prices(1.0))
    assert (shares.lines, shares.requests_j.total) == (b"", 0)
