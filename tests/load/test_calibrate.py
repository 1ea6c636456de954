import pytest

from imaxproxy.errors import UsageError
from imaxproxy.load.calibrate import calibrate
from imaxproxy.traces import Prompts, TraceRow


def test_finds_the_overhead_of_a_template() -> None:
    found = calibrate(lambda text: 17 + len(text.split()), Prompts(0))
    assert (found.overhead_tokens, found.tokens_per_word, found.warning()) == (17, 1, None)
    text = Prompts(0, fit=found.fit()).text(TraceRow("a", input_length=500))
    assert 17 + len(text.split()) == 500


def test_says_so_where_words_are_no_single_tokens() -> None:
    found = calibrate(lambda text: 10 + 5 * len(text.split()) // 4, Prompts(0))
    assert not found.fits
    assert "1.250 tokens a word" in (found.warning() or "")
    text = Prompts(0, fit=found.fit()).text(TraceRow("a", input_length=1010))
    assert len(text.split()) == 800


@pytest.mark.parametrize(("counts", "says"), [(lambda _: None, "no usage"), (lambda _: 40, "cuts prompts short")])
def test_counts_that_make_no_sense_are_an_error(counts, says: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    with pytest.raises(UsageError, match=says):
        calibrate(counts, Prompts(0))
