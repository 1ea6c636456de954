import pytest

from imaxproxy.load.calibrate import NotCalibrated
from imaxproxy.load.word_search import ENOUGH_WORDS, MOST_REQUESTS, single_token_words
from imaxproxy.traces import shipped_words


class Engine:
    """Counts a template, one token for a good word, two for another, and one more for a first word."""

    def __init__(self, bad: set[str]) -> None:
        self._bad = bad
        self.requests = 0

    def __call__(self, text: str) -> int:
        self.requests += 1
        return 12 + sum(2 if word in self._bad else 1 for word in text.split())


WORDS = shipped_words()


@pytest.mark.parametrize("every", [1000, 200, 50, 20])
def test_few_bad_words_are_left_out(every: int) -> None:
    engine = Engine(set(WORDS[7::every]))
    found = single_token_words(engine, WORDS)
    assert engine(" ".join(found)) == 12 + len(found)
    assert len(found) >= (ENOUGH_WORDS if every > 20 else 256)
    assert engine.requests <= MOST_REQUESTS + 2


def test_short_words_are_tried_first() -> None:
    """They are single tokens where long ones are not."""
    found = single_token_words(Engine({word for word in WORDS if len(word) > 4}), WORDS)
    assert len(found) >= 256
    assert max(map(len, found)) <= 4


def test_where_no_word_is_a_token_it_gives_up_soon() -> None:
    engine = Engine(set(WORDS))
    assert single_token_words(engine, WORDS) == ()
    assert engine.requests < MOST_REQUESTS


def test_an_engine_that_does_not_count() -> None:
    with pytest.raises(NotCalibrated, match="no usage"):
        single_token_words(lambda _: None, WORDS)
