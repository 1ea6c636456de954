import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.proxy.sliced_json import SLICE_BYTES, sliced_json

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def read(data: bytes) -> tuple[object, int]:
    """The value, and how many rests there were."""
    reading, rests = sliced_json(data), 0
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return end.value, rests
        rests += 1


@given(JSON, st.integers(0, 2 * SLICE_BYTES))
def test_it_is_the_same_value_wherever_the_slices_end(value: object, padding: int) -> None:
    data = b" " * padding + json.dumps({"value": value}).encode()
    assert read(data) == ({"value": value}, -(-len(data) // SLICE_BYTES))


@pytest.mark.parametrize("data", [b"", b"{", b'{"a":1}}', b"nonsense", b'{"a":"\xff"}', b"1 2"])
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises(ValueError):
        read(data)


def test_no_deeper_than_memory_allows() -> None:
    """ijson keeps a path for each level; a body of 300 kB would take 200 GB."""
    with pytest.raises(ValueError, match="deeper than 1024"):
        read(b'{"messages":' + b"[" * 300_000)
