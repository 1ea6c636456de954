import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.wire.apportion import apportion


@pytest.mark.parametrize(
    ("total", "lengths", "expected"),
    [
        (3, [4, 1, 9], [1, 1, 1]),  # as many tokens as events: one each, whatever the lengths
        (6, [1, 1, 1], [2, 2, 2]),
        (5, [1, 1, 8], [1, 1, 3]),  # none has less than one
        (5, [8, 1, 1], [3, 1, 1]),
        (8, [4, 4, 8], [2, 2, 4]),
        (50, [6, *[24] * 12, 6], [1, *[4] * 12, 1]),  # a step of four tokens at a time: exact
        (2, [1, 1, 1, 1], [0, 1, 0, 1]),  # fewer tokens than events
        (0, [3, 3], [0, 0]),
        (4, [], []),  # not streamed: nobody saw a token come
        (4, [0, 0], [2, 2]),
    ],
)
def test_examples(total: int, lengths: list[int], expected: list[int]) -> None:
    assert apportion(total, lengths) == expected


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(1, 9))
def test_tokens_of_one_length_are_found_exactly(tokens: list[int], chars: int) -> None:
    assert apportion(sum(tokens), [chars * each for each in tokens]) == tokens


@given(st.integers(0, 10_000), st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_sums_exactly(total: int, lengths: list[int]) -> None:
    shares = apportion(total, lengths)
    assert sum(shares) == total
    assert len(shares) == len(lengths)
    assert min(shares) >= (1 if total >= len(lengths) else 0)
