import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.live.screen.keys import KeyReader

PRESSED = {
    b"q": "q",
    b"\x1b[A": "up",
    b"\x1bOB": "down",
    b"\x1b[5~": "pageup",
    b"\x1b[Z": "backtab",
    b"\t": "tab",
    b"\r": "enter",
    b"\x7f": "backspace",
    b" ": "space",
    "ü".encode(): "ü",
    "界".encode(): "界",
    b"\x1b[1;5C": "",  # Ctrl-right: no key of ours, and no letters either
    b"\x01": "",
}


@given(st.lists(st.sampled_from(list(PRESSED)), max_size=12), st.data())
def test_the_same_keys_however_reads_cut_them(pressed: list[bytes], data: st.DataObject) -> None:
    reader, stream, found = KeyReader(), b"".join(pressed), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert found == [PRESSED[key] for key in pressed if PRESSED[key]]
    assert not reader.waits


@given(st.binary(max_size=60))
def test_no_noise_breaks_it(noise: bytes) -> None:
    reader = KeyReader()
    reader.feed(noise)
    reader.flush()
    assert not reader.waits


def test_an_escape_alone_is_a_key_when_nothing_follows() -> None:
    reader = KeyReader()
    assert reader.feed(b"\x1b") == []
    assert reader.waits
    assert reader.flush() == ["esc"]
    assert reader.feed(b"\x1bq") == ["esc", "q"]


@pytest.mark.parametrize("half", [b"\x1b[", b"\x1bO", b"\xc3"])
def test_half_a_key_waits_for_the_rest(half: bytes) -> None:
    reader = KeyReader()
    assert reader.feed(half) == []
    assert reader.waits
