from pathlib import Path

import pytest

from imaxproxy.runs.exports.measured import measure
from runs.made_run import EXCHANGES, answered, make_run


def test_by_their_formulas(tmp_path: Path) -> None:
    measured = measure(make_run(tmp_path))
    assert (len(measured.requests), len(measured.completed)) == (4, 3)
    assert (measured.total_input_tokens, measured.total_output_tokens) == (50, 14)
    assert measured.duration_s == pytest.approx(2.005)
    assert measured.ttft_ms().mean() == pytest.approx(250 / 3)
    # (E2E - TTFT) / (tokens - 1): 30 / 3, 60 / 3, 40 / 5
    assert sorted(measured.tpot_ms()._values) == pytest.approx([8, 10, 20])
    assert measured.itl_ms().count == 8  # events, whatever they hold
    assert measured.itl_ms().most() == pytest.approx(30)
    assert measured.e2el_ms().least() == pytest.approx(90)
    assert measured.peak_in_flight == 2


def test_a_one_token_answer_has_no_tpot(tmp_path: Path) -> None:
    measured = measure(make_run(tmp_path, [answered(0, []), answered(1)]))
    assert (measured.tpot_ms().count, measured.ttft_ms().count) == (1, 2)


def test_tokens_by_the_second_of_their_arrival(tmp_path: Path) -> None:
    exchanges = [answered(0.0, [400, 400, 400], ttft_ms=300)]  # 0.3, 0.7, 1.1, 1.5 s
    assert sorted(measure(make_run(tmp_path, exchanges)).tokens_by_second.values()) == [2, 2]


def test_gaps_are_kept_when_they_are_asked_for(tmp_path: Path) -> None:
    record = make_run(tmp_path)
    assert measure(record).requests[0].gaps_s == ()
    assert measure(record, detailed=True).requests[0].gaps_s == pytest.approx([0.01, 0.01, 0.01])
    assert len(measure(record, detailed=True).requests) == len(EXCHANGES)
