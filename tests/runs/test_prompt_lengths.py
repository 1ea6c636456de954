from imaxproxy.metrics import Ask, Exchange, Outcome, Usage
from imaxproxy.runs.prompt_lengths import PromptLengths


def exchange(planned: int | None, counted: int | None) -> Exchange:
    ask = Ask("a", "/v1/completions", 0, planned_input_tokens=planned)
    return Exchange(ask, Outcome.COMPLETED, 1, usage=Usage(input_tokens=counted))


def test_what_was_planned_is_held_against_what_was_counted() -> None:
    lengths = PromptLengths()
    for planned, counted in ((100, 100), (200, 210), (300, 295), (None, 7), (7, None)):
        lengths.add(exchange(planned, counted))
    assert lengths.stats() == {
        "compared": 3,
        "exact": 1,
        "counted_over_planned": 605 / 600,
        "worst_error_tokens": 10,
    }


def test_nothing_to_compare_is_said_as_nothing() -> None:
    lengths = PromptLengths()
    lengths.add(exchange(None, 7))
    assert lengths.stats() is None
