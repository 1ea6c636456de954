from collections.abc import Callable

import pytest

from imaxproxy.load.calibrate import AskTokens, NotCalibrated, calibrate
from imaxproxy.traces import Prompts, TraceRow, shipped_words

WORDS = shipped_words()


def templated(overhead: int, tokens_of: Callable[[str], int] = lambda word: 1) -> AskTokens:
    return lambda text: overhead + sum(map(tokens_of, text.split()))


def test_finds_the_overhead_of_a_template() -> None:
    found = calibrate(templated(17), WORDS, "salt")
    assert (found.overhead_tokens, found.tokens_per_word, found.fits) == (18, 1, True)  # with the lead's own token
    text = Prompts(0, fit=found.fit()).text(TraceRow("a", input_length=500))
    assert 17 + len(text.split()) == 500


def test_a_first_word_that_costs_more_is_the_same_one_for_all() -> None:
    """Without a space before it a word may be two tokens: it then would be now one, now two."""

    def ask(text: str) -> int:
        first, *rest = text.split()
        return 9 + (2 if len(first) % 2 else 3) + len(rest)

    fit = calibrate(ask, WORDS, "salt").fit()
    prompts = Prompts(3, "x", fit=fit)
    assert {ask(prompts.text(TraceRow(str(number), input_length=300))) for number in range(50)} == {300}


def test_lengths_hold_on_average_where_words_are_no_single_tokens() -> None:
    ask = templated(10, lambda word: -(-len(word) // 5))
    found = calibrate(ask, WORDS, "salt")
    assert not found.fits
    prompts = Prompts(0, fit=found.fit())
    counted = [ask(prompts.text(TraceRow(str(number), input_length=2000))) for number in range(20)]
    assert sum(counted) / len(counted) == pytest.approx(2000, rel=0.02)


def test_blocks_keep_their_size_on_average() -> None:
    ask = templated(0, lambda word: -(-len(word) // 5))
    prompts = Prompts(0, fit=calibrate(ask, WORDS, "salt").fit())
    one, two = (prompts.text(TraceRow("a", input_length=512 * n, hash_ids=tuple(range(n)))) for n in (1, 2))
    shared = [a for a, b in zip(one.split(), two.split(), strict=False) if a == b]
    assert sum(-(-len(word) // 5) for word in shared) == pytest.approx(512, rel=0.05)


@pytest.mark.parametrize(("ask", "says"), [(lambda _: None, "no usage"), (lambda _: 40, "cuts prompts short")])
def test_counts_that_make_no_sense_are_no_calibration(ask: AskTokens, says: str) -> None:
    with pytest.raises(NotCalibrated, match=says):
        calibrate(ask, WORDS, "salt")


def test_each_run_asks_for_texts_of_its_own() -> None:
    """The same ones would come from a cache, and tell of no tokenizer that was changed."""
    asked: list[str] = []

    def ask(text: str) -> int:
        asked.append(text)
        return len(text.split())

    for salt in ("a", "b"):
        calibrate(ask, WORDS, salt)
    assert len(set(asked)) == 4
    assert asked[1].startswith(asked[0])
