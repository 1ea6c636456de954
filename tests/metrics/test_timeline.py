import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.metrics import ANSWER, REASONING, TOOL, Timeline, mark

MARKS = st.builds(mark, st.sampled_from([REASONING, ANSWER, TOOL]), st.integers(0, 9))


def test_kinds_and_tokens_come_back() -> None:
    timeline = Timeline([10, 20, 30], [mark(REASONING, 2), mark(ANSWER, 0), mark(TOOL, 5)])
    assert len(timeline) == 3
    assert timeline.kinds == [REASONING, ANSWER, TOOL]
    assert timeline.tokens == [2, 0, 5]
    assert (timeline.total_tokens, timeline.reasoning_tokens) == (7, 2)
    assert timeline.first_output_ns() == 20
    assert repr(timeline) == "<Timeline 3 events, 7 tokens>"
    assert repr(Timeline([1], [mark(ANSWER, 0)], counted=False)) == "<Timeline 1 events, uncounted tokens>"


def test_an_answer_that_only_thinks_has_no_output() -> None:
    assert Timeline([1, 2], [mark(REASONING, 1)] * 2).first_output_ns() is None
    assert Timeline().first_output_ns() is None
    assert Timeline([4], [mark(TOOL, 1)]).first_output_ns() == 4


@pytest.mark.parametrize(
    ("tokens", "counted", "expected"),
    [([1, 1, 1], True, True), ([1, 2], True, False), ([0, 1], True, False), ([1, 1], False, False), ([], True, True)],
)
def test_one_token_each(tokens: list[int], counted: bool, expected: bool) -> None:
    timeline = Timeline(range(len(tokens)), [mark(ANSWER, count) for count in tokens], counted=counted)
    assert timeline.one_token_each() is expected


@given(st.lists(MARKS, max_size=30), st.integers(0, 35), st.integers(0, 35))
def test_sums_agree_with_the_events(marks: list[int], first: int, last: int) -> None:
    timeline = Timeline(range(len(marks)), marks)
    assert timeline.total_tokens == sum(timeline.tokens)
    pairs = list(zip(timeline.kinds, timeline.tokens, strict=True))
    assert timeline.reasoning_tokens == sum(tokens for kind, tokens in pairs if kind == REASONING)
    assert timeline.tokens_between(first, last) == sum(timeline.tokens[first:last])
    assert [pair for kind, tokens, events in timeline.runs() for pair in [(kind, tokens)] * events] == pairs


def test_equal_means_the_same_events() -> None:
    assert Timeline([1], [5]) == Timeline([1], [5])
    assert Timeline([1], [5]) != Timeline([2], [5])
    assert Timeline([1], [5]) != Timeline([1], [6])
    assert Timeline([1], [5]) != Timeline([1], [5], counted=False)
    assert Timeline() != []


def test_times_and_marks_belong_together() -> None:
    with pytest.raises(ValueError, match="2 times, 1 marks"):
        Timeline([1, 2], [5])


@given(
    st.integers(0, 10**18), st.lists(st.tuples(st.integers(0, 10**10), MARKS), min_size=1, max_size=9), st.booleans()
)
def test_gaps_make_the_same_timeline_as_times(first_ns: int, events: list[tuple[int, int]], looked: bool) -> None:
    times_ns = [first_ns + sum(gap_ns for gap_ns, _ in events[1 : at + 1]) for at in range(len(events))]
    marks = [value for _, value in events]
    by_times = Timeline(times_ns, marks)
    by_gaps = Timeline.of_gaps(first_ns, [gap_ns for gap_ns, _ in events[1:]], marks, counted=True)
    if looked:
        assert list(by_gaps.times_ns) == times_ns
    assert (by_gaps.first_ns, by_gaps.last_ns) == (by_times.first_ns, by_times.last_ns) == (times_ns[0], times_ns[-1])
    assert (by_gaps.gaps_ns(), by_gaps.gaps_us()) == (by_times.gaps_ns(), by_times.gaps_us())
    assert by_gaps.first_output_ns() == by_times.first_output_ns()
    assert by_gaps == by_times


@pytest.mark.parametrize("gaps_ns", [[1], [1, 2.5], [1, "2"], [1, None], [1, 2**63]])
def test_gaps_that_make_no_timeline_are_refused_at_once(gaps_ns: list[int]) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        Timeline.of_gaps(1000, gaps_ns, [mark(ANSWER, 1)] * 3, counted=True)
