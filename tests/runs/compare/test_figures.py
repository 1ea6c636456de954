from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given

from imaxproxy.errors import ImaxproxyError
from imaxproxy.metrics import Exchange, Outcome
from imaxproxy.metrics.formulas import e2e_ns, tpot_ns, ttft_ns
from imaxproxy.runs.compare import read_figures
from imaxproxy.runs.compare.figures import figures_of
from imaxproxy.runs.journal import exchange_row
from runs.made_run import answered, make_run, refused
from runs.test_journal import exchanges


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


@given(exchanges())
def test_a_line_says_what_the_formulas_say_of_its_exchange(exchange: Exchange) -> None:
    found = figures_of(orjson.loads(orjson.dumps(exchange_row(exchange))))
    completed = exchange.outcome is Outcome.COMPLETED
    assert found.outcome == exchange.outcome.value
    assert found.finish_reason == exchange.finish_reason
    for value_ms, value_ns in (
        (found.ttft_ms, ttft_ns(exchange)),
        (found.tpot_ms, tpot_ns(exchange) if completed else None),
        (found.e2e_ms, e2e_ns(exchange)),
    ):
        assert value_ms == (None if value_ns is None else pytest.approx(value_ns / 1e6))
    assert found.output_tokens == exchange.output_tokens
    assert (found.input_tokens, found.cached_tokens) == (exchange.usage.input_tokens, exchange.usage.cached_tokens)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"nonsense\n", "not a journal line"),
        (b"[1]\n", "it is no JSON object"),
        (b'{"dialect": "chat", "request_id": "r", "started_ns": 1}\n', "'usage'"),
        (b"{}\n", "'request_id'"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: bytes, says: str) -> None:
    run = make_run(tmp_path, [answered(0)]).directory
    with run.journal(0).open("ab") as journal:
        journal.write(line + b"{}\n")
    with pytest.raises(ImaxproxyError, match=r"exchanges-0\.jsonl:2: not a journal line") as raised:
        read_figures(tmp_path)
    assert says in str(raised.value)
