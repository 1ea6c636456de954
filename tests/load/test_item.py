from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.load import FrameReader, Item
from imaxproxy.load.item import END, WARM

_TEXT = st.text(max_size=20)
_COUNT = st.integers(0, 1 << 40)
ITEMS = st.lists(
    st.builds(
        Item,
        request_id=_TEXT,
        path=_TEXT,
        data=st.binary(max_size=200),
        offset_ns=st.none() | _COUNT,
        session_id=st.none() | _TEXT,
        wait_for=st.lists(_TEXT, max_size=3).map(tuple),
        wait_ns=_COUNT,
        input_tokens=st.none() | _COUNT,
        output_tokens=st.none() | _COUNT,
        cancel_after_tokens=st.none() | _COUNT,
        cancel_after_ns=st.none() | _COUNT,
        tell_end=st.booleans(),
        keep_answer=st.booleans(),
        kind=st.none() | st.just("warmup"),
        before_start=st.booleans(),
    ),
    max_size=5,
)


@given(items=ITEMS, step=st.integers(1, 50))
def test_items_come_out_as_they_went_in_however_the_pipe_cuts_them(items: list[Item], step: int) -> None:
    data = b"".join(item.frame() for item in items[:2]) + WARM + b"".join(item.frame() for item in items[2:]) + END
    reader, found = FrameReader(), []
    for at in range(0, len(data), step):
        assert not reader.ended
        found += reader.feed(data[at : at + step])
    assert found == items
    assert (reader.ended, reader.warm_fed) == (True, True)


def test_the_end_of_a_warm_up_is_told_where_it_stands() -> None:
    reader = FrameReader()
    assert list(reader.feed(Item("a", "/", b"x").frame())) == [Item("a", "/", b"x")]
    assert not reader.warm_fed
    assert list(reader.feed(WARM)) == []
    assert (reader.warm_fed, reader.ended) == (True, False)


def test_a_stream_without_its_end_says_so() -> None:
    reader = FrameReader()
    assert list(reader.feed(Item("a", "/", b"x").frame())) == [Item("a", "/", b"x")]
    assert not reader.ended
