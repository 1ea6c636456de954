from dataclasses import replace
from pathlib import Path

from imaxproxy.metrics import Exchange, Outcome
from imaxproxy.runs.compare import read_figures
from runs.made_run import answered, make_run, refused


def test_a_name_that_comes_again_is_another_lap(tmp_path: Path) -> None:
    make_run(tmp_path, [answered(5, [30], request_id="a"), answered(0, [10], request_id="a")])
    found = read_figures(tmp_path)
    assert {key: row.tpot_ms for key, row in found.items()} == {("a", 0): 10, ("a", 1): 30}


def test_a_retry_takes_the_place_of_what_it_retries(tmp_path: Path) -> None:
    second = answered(1, request_id="a")
    retried: Exchange = replace(second, ask=replace(second.ask, attempt=1))
    make_run(tmp_path, [refused(0, "a"), retried, answered(3, [20], request_id="a")])
    found = read_figures(tmp_path)
    assert {key: (row.outcome, row.tpot_ms) for key, row in found.items()} == {
        ("a", 0): ("completed", 10), ("a", 1): ("completed", 20),
    }  # fmt: skip


def test_a_cut_stream_has_its_first_token_and_no_tpot(tmp_path: Path) -> None:
    make_run(tmp_path, [replace(answered(0), outcome=Outcome.TRUNCATED, error="cut"), answered(1)])
    cut = read_figures(tmp_path)["r0", 0]
    assert (cut.outcome, cut.ttft_ms, cut.tpot_ms, cut.e2e_ms) == ("truncated", 100, None, None)
