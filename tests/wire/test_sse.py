import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.errors import WireError
from imaxproxy.wire.sse import EventSplitter, event_data

_LINE = st.sampled_from(
    [b"data: {}", b"data:x", b"data", b": ping", b"event: error", b"id: 7", "data: ä€😀".encode(), b"retry: 10", b""]
)
_END = st.sampled_from([b"\n", b"\r\n", b"\r"])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Any mix of lines and line ends, and raw bytes between."""
    lines = draw(st.lists(st.tuples(_LINE | st.binary(max_size=6), _END, st.sampled_from([0, 1, 1, 2])), max_size=12))
    return b"".join(line + end * (1 + more) for line, end, more in lines)


def data_of(events: list[bytes]) -> list[bytes]:
    return [data for event in events if (data := event_data(event)) is not None]


@given(streams())
def test_reads_the_same_however_it_is_cut(stream: bytes) -> None:
    bytewise = EventSplitter()
    pieces = [stream[index : index + 1] for index in range(len(stream))]
    found = [event for piece in [*pieces, b"\n"] for event in bytewise.feed(piece)]
    assert data_of(EventSplitter().feed(stream + b"\n")) == data_of(found)


@given(streams(), st.integers(0, 100), st.integers(0, 100))
def test_reads_the_same_in_three_pieces(stream: bytes, one: int, other: int) -> None:
    first, second = sorted((one, other))
    splitter, stream = EventSplitter(), stream + b"\n"
    found = [
        event for piece in (stream[:first], stream[first:second], stream[second:]) for event in splitter.feed(piece)
    ]
    assert data_of(EventSplitter().feed(stream)) == data_of(found)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: 1\n\ndata: 2\n\n", [b"1", b"2"]),
        (b"data: 1\r\n\r\ndata: 2\r\n\r\n", [b"1", b"2"]),
        (b"data: 1\r\rdata: 2\r\rx", [b"1", b"2"]),
        (b"data: 1\r\n\ndata: 2\n\r\n", [b"1", b"2"]),  # mixed
        (b"data: 1\r\r\ndata: 2\n\n", [b"1", b"2"]),  # CR, CRLF: two ends of lines
        (b"\n\n\ndata: 1\n\n\n\n", [b"1"]),  # blank lines to spare
        (b":\n\n: keep-alive\n\ndata: 1\n\n", [b"1"]),  # llama.cpp's and vLLM's pings
        (b"event: x\nid: 4\ndata: 1\nretry: 5\n\n", [b"1"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data:1\n\ndata\n\ndata:  2\n\n", [b"1", b"", b" 2"]),  # at most one blank is dropped
        (b"data: {} \n\n", [b"{} "]),  # TensorRT-LLM's trailing blank
        (b"database: 1\n\n data: 2\n\n", []),  # other fields
        (b"data: 1\n", []),  # an event is over with its blank line
    ],
)
def test_events_have_data(stream: bytes, expected: list[bytes]) -> None:
    assert data_of(EventSplitter().feed(stream)) == expected


def test_half_an_event_is_held() -> None:
    splitter = EventSplitter()
    assert splitter.empty
    assert splitter.feed(b"data: 1\n") == []
    assert not splitter.empty
    assert splitter.feed(b"\n") == [b"data: 1"]
    assert splitter.empty


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_over_with_its_last_byte(end: bytes) -> None:
    """A CR that may be half of a CRLF holds nothing back where a blank line is certain."""
    splitter = EventSplitter()
    for _ in range(3):
        assert splitter.feed(b"data: 1" + end + end) == [b"data: 1"]
        assert splitter.empty
    for piece in (b"data: 2\r\n\r", b"", b"\n"):
        assert splitter.feed(piece) == ([b"data: 2"] if b"2" in piece else [])
        assert splitter.empty
    assert splitter.feed(b"data: 3\r") == []
    assert splitter.feed(b"\ndata: 4\r\n\r\n") == [b"data: 3\r\ndata: 4"]


def test_an_event_past_the_limit_is_an_error() -> None:
    splitter = EventSplitter(limit_bytes=10)
    assert splitter.feed(b"data: 1234567890\n\n") == [b"data: 1234567890"]  # whole: nothing is held
    splitter.feed(b"data: 1234")
    with pytest.raises(WireError) as error:
        splitter.feed(b"5")
    assert error.value.kind == "event_too_long"


class CountingSplitter(EventSplitter):
    """Adds up how many bytes each feed searches."""

    searched_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        self.searched_bytes += len(self._tail) + len(data) - self._searched
        return super().feed(data)


def test_a_huge_event_costs_its_length_and_no_more() -> None:
    splitter, read = CountingSplitter(), b"x" * 1000
    for _ in range(1000):
        splitter.feed(read)
    assert len(splitter.feed(b"\n\n")[0]) == 1_000_000
    assert splitter.searched_bytes < 1_010_000
