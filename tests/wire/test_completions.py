import pytest

from imaxproxy.metrics import ANSWER
from imaxproxy.wire import COMPLETIONS
from imaxproxy.wire.dialect import NO_TOKENS, Facts, Reading


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a"], (ANSWER, "a", "text")),
        ([""], NO_TOKENS),  # SGLang's last token, an end token
        ([None], NO_TOKENS),
        ([], NO_TOKENS),
        (["a", "b"], (ANSWER, "ab", "")),
        (["", "b"], (ANSWER, "b", "text")),
    ],
)
def test_a_choice_with_text_carries_tokens(texts: list[str | None], expected: Reading) -> None:
    choices = [{"index": index, "text": text} for index, text in enumerate(texts)]
    assert COMPLETIONS.read_event({"choices": choices}, Facts()) == expected


def test_the_end_may_ride_with_the_last_text() -> None:
    facts = Facts()
    COMPLETIONS.read_event({"choices": [{"index": 0, "text": "a", "finish_reason": "length"}]}, facts)
    assert (facts.finish_reason, facts.unfinished) == ("length", set())


def test_text_is_text() -> None:
    with pytest.raises(TypeError):
        COMPLETIONS.read_event({"choices": [{"text": 5}]}, Facts())


def test_a_whole_answer_gives_its_end_and_usage() -> None:
    facts = Facts()
    COMPLETIONS.read_body({"choices": [{"text": "a", "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}, facts)
    assert (facts.finish_reason, facts.usage) == ("stop", {"prompt_tokens": 1})
