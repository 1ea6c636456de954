from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.sim import Cutter


def cuts(output: int, reasoning: int, interval: int, steps: list[int]) -> list[tuple[bool, int]]:
    """Kind and tokens of each event, when the engine makes so many tokens a step."""
    cutter, events, emitted = Cutter(output, reasoning, interval), [], 0
    for tokens in steps:
        emitted = min(output, emitted + tokens)
        while emitted >= cutter.due_tokens and not cutter.is_over:
            is_reasoning = cutter.is_reasoning
            events.append((is_reasoning, cutter.cut(emitted)))
    return events


def test_a_stream_is_cut_as_asked() -> None:
    assert cuts(3, 0, 1, [1] * 3) == [(False, 1)] * 3
    assert cuts(10, 0, 4, [1] * 10) == [(False, 1), (False, 4), (False, 4), (False, 1)]
    assert cuts(4, 2, 1, [1] * 4) == [(True, 1), (True, 1), (False, 1), (False, 1)]
    assert cuts(8, 0, 1, [1, 3, 3, 1]) == [(False, 1), (False, 3), (False, 3), (False, 1)]  # as drafts are accepted


@given(
    st.integers(1, 300),
    st.integers(0, 300),
    st.integers(1, 40),
    st.lists(st.integers(1, 5), min_size=300, max_size=300),
)
def test_every_token_is_in_one_event_of_one_kind(output: int, reasoning: int, interval: int, steps: list[int]) -> None:
    reasoning = min(reasoning, output - 1)
    events = cuts(output, reasoning, interval, steps)
    assert sum(tokens for _, tokens in events) == output
    assert sum(tokens for is_reasoning, tokens in events if is_reasoning) == reasoning
    assert all(tokens >= 1 for _, tokens in events)
