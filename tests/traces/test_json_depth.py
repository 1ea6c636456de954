import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.traces.json_depth import MOST_DEPTH, JsonDepth

TEXT = st.text(st.sampled_from('ab"\\[]{}é,:'), max_size=12)
JSON = st.recursive(
    TEXT | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(JSON, st.integers(0, 300))
def test_brackets_count_outside_strings_wherever_the_pieces_end(value: object, cut: int) -> None:
    text = json.dumps(value, ensure_ascii=False).encode()
    whole, deepest = JsonDepth(), 0
    for at in range(len(text)):
        whole.feed(text[at : at + 1])
        deepest = max(deepest, whole.depth)
    assert (whole.depth, deepest) == (0, depth_of(value))
    halves, first = JsonDepth(), JsonDepth()
    halves.feed(text[:cut])
    halves.feed(text[cut:])
    assert halves.depth == 0
    for at in range(min(cut, len(text))):
        first.feed(text[at : at + 1])
    whole = JsonDepth()
    whole.feed(text[:cut])
    assert whole.depth == first.depth


@pytest.mark.parametrize("piece", [1, 100, 1 << 16])
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'["]]]]\\"", '])
def test_deeper_than_the_bound(piece: int, opening: bytes) -> None:
    def feed(data: bytes) -> None:
        depth = JsonDepth()
        for at in range(0, len(data), piece):
            depth.feed(data[at : at + piece])

    feed(opening * MOST_DEPTH)
    with pytest.raises(ValueError, match="deeper than 1024"):
        feed(opening * MOST_DEPTH + b" [")


def test_many_brackets_side_by_side_are_not_deep() -> None:
    JsonDepth().feed(b"[[1],{}]," * 10_000)
