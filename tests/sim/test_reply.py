import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.sim.reply import WORD_BYTES, WORDS, Run, event_runs, text_of


def test_words_have_one_width_and_are_one_token_each() -> None:
    assert {len(word) for word in WORDS} == {WORD_BYTES}
    assert len(set(WORDS)) == len(WORDS)
    assert len(text_of(250, 20).split()) == 20


@pytest.mark.parametrize(
    ("output", "reasoning", "per_event", "runs"),
    [
        (1, 0, 1, [Run(1, 1, False, True)]),
        (3, 0, 1, [Run(1, 1, False, False), Run(2, 1, False, False), Run(3, 1, False, True)]),
        (10, 0, 4, [Run(1, 1, False, False), Run(9, 4, False, False), Run(10, 1, False, True)]),
        (9, 0, 4, [Run(1, 1, False, False), Run(5, 4, False, False), Run(9, 4, False, True)]),
        (4, 2, 1, [Run(1, 1, True, False), Run(2, 1, True, False), Run(3, 1, False, False), Run(4, 1, False, True)]),
    ],
)
def test_a_stream_is_cut_as_asked(output: int, reasoning: int, per_event: int, runs: list[Run]) -> None:
    assert list(event_runs(output, reasoning, per_event)) == runs


@given(st.integers(1, 500), st.integers(0, 500), st.integers(1, 40))
def test_every_token_is_in_one_event_of_one_kind(output: int, reasoning: int, per_event: int) -> None:
    reasoning = min(reasoning, output - 1)
    sent = 0
    runs = list(event_runs(output, reasoning, per_event))
    for run in runs:
        assert (run.end_token - sent) % run.tokens == 0
        assert run.tokens <= per_event
        assert run.is_reasoning == (sent < reasoning)
        assert not run.is_reasoning or run.end_token <= reasoning
        sent = run.end_token
    assert sent == output
    assert [run.is_final for run in runs] == [False] * (len(runs) - 1) + [True]
