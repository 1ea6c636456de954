import pytest

from imaxproxy.metrics import ANSWER, Ask, CountedBy, Exchange, Outcome, Timeline, Usage, Window, mark

STREAM = Exchange(
    Ask("r", "/", 0), Outcome.TRUNCATED, 60, timeline=Timeline([10, 20, 30], [mark(ANSWER, n) for n in (1, 2, 4)])
)


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "tokens"),
    [(0, 100, 7), (10, 30, 3), (11, 31, 6), (20, 21, 2), (31, 100, 0), (0, 10, 0), (20, 20, 0)],
)
def test_tokens_count_where_they_arrive(start_ns: int, end_ns: int, tokens: int) -> None:
    assert Window(start_ns, end_ns).tokens_of(STREAM) == tokens


def test_an_answer_that_was_not_streamed_arrives_at_its_end() -> None:
    whole = Exchange(Ask("r", "/", 0), Outcome.COMPLETED, 60, usage=Usage(3, 9), counted_by=CountedBy.USAGE)
    assert (Window(0, 60).tokens_of(whole), Window(60, 61).tokens_of(whole)) == (0, 9)
    assert Window(0, 100).tokens_of(Exchange(Ask("r", "/", 0), Outcome.FAILED, 60)) == 0
    assert Window(5, 9).duration_ns == 4
