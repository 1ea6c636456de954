from array import array

from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.metrics import ANSWER, REASONING, CountedBy
from imaxproxy.wire.token_events import TokenEvents


def one_by_one(times_ns: list[int], chars: list[int]) -> TokenEvents:
    events = TokenEvents()
    for at_ns, count in zip(times_ns, chars, strict=True):
        events.add(at_ns, ANSWER, count, CountedBy.EVENTS, None)
    return events


@given(st.lists(st.tuples(st.integers(0, 1 << 60), st.integers(1, 50)), min_size=1), st.integers(0, 200))
def test_however_they_come_they_are_the_same(events: list[tuple[int, int]], total: int) -> None:
    times_ns, chars = [at_ns for at_ns, _ in events], [count for _, count in events]
    alike, packed = TokenEvents(), TokenEvents()
    alike.add_alike(ANSWER, times_ns, chars)
    packed.add_packed(ANSWER, array("q", times_ns).tobytes(), array("i", chars).tobytes())
    expected = one_by_one(times_ns, chars).timeline(total)
    assert alike.timeline(total) == packed.timeline(total) == expected
    assert len(packed) == len(events)
    assert expected[0].total_tokens == total
    assert expected[1] is CountedBy.USAGE


def test_the_engine_tells_the_tokens_of_each() -> None:
    events = TokenEvents()
    for at_ns, so_far in ((1, 2), (2, 2), (3, 7)):
        events.add(at_ns, REASONING, 4, CountedBy.CONTINUOUS_USAGE, so_far)
    timeline, counted_by = events.timeline(99)
    assert (timeline.tokens, counted_by) == ([2, 0, 5], CountedBy.CONTINUOUS_USAGE)


def test_where_one_does_not_tell_the_total_is_shared_out() -> None:
    events = TokenEvents()
    events.add(1, ANSWER, 4, CountedBy.CONTINUOUS_USAGE, 1)
    events.add_alike(ANSWER, [2], [4])
    assert events.counted_by is CountedBy.EVENTS
    assert events.timeline(2)[0].tokens == [1, 1]
    timeline, counted_by = events.timeline(None)
    assert (timeline.counted, counted_by) == (False, CountedBy.EVENTS)


def test_large_counts_are_not_mistaken() -> None:
    events = TokenEvents()
    events.add_alike(ANSWER, [1, 2], [3, 3])
    assert events.timeline(400)[0].tokens == [200, 200]
