import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.metrics import ANSWER
from imaxproxy.wire.template import Template, learn

EVENT = b'data: {"id":"c-1","choices":[{"index":0,"delta":{"content":%b},"finish_reason":null}]}\n\n'


def event(text: str) -> bytes:
    return EVENT % orjson.dumps(text)


def chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def learned(text: str = "ab", *, chunked: bool = True) -> Template:
    read = chunk(event(text)) if chunked else event(text)
    template = learn(read, ANSWER, text, "content", chunked=chunked)
    assert template is not None
    return template


@pytest.mark.parametrize("chunked", [True, False])
@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6))
def test_matches_a_row_of_its_own_events(chunked: bool, texts: list[str]) -> None:
    pieces = [chunk(event(text)) if chunked else event(text) for text in texts]
    ends = [len(b"".join(pieces[: index + 1])) for index in range(len(pieces))]
    template, lengths = learned(chunked=chunked), list(map(len, texts))
    assert template.match(b"".join(pieces)) == (lengths, ends)
    same_size_lines = len({piece.index(b"\n") for piece in pieces}) == 1
    assert template.match_reads(pieces) == (lengths if chunked and same_size_lines else None)


GOOD = chunk(event("ab"))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        GOOD[:-1],
        GOOD + b"\r\n",
        b"\n" + GOOD,
        GOOD + chunk(event("")),  # no text: no token event
        GOOD + chunk(event("x").replace(b"c-1", b"c-2")),
        GOOD + chunk(event("x").replace(b"null", b'"stop"')),
        GOOD + chunk(b": ping\n\n"),
        GOOD + chunk(b"data: [DONE]\n\n"),
        GOOD + b"0\r\n\r\n",
        GOOD.replace(b"\r\ndata", b";x\r\ndata"),  # chunk extension
        b"0x" + GOOD,  # a number to Python, no chunk size
        b" " + GOOD,
        b"+" + GOOD,
        b"1" + GOOD,  # another size
        chunk(event("ab") + event("cd")),  # two events in a chunk
        chunk(EVENT % b'"a"b"'),  # broken JSON inside
        chunk(EVENT % b'"a\\"'),
        chunk(EVENT % b'"\\ud800"'),
        chunk(EVENT % b'"\x01"'),
        chunk(EVENT % b'"\xff"'),
        chunk(EVENT % b'"a\\"},\\"finish"')[:-1],
    ],
)
def test_says_nothing_of_anything_else(raw: bytes) -> None:
    assert learned().match(raw) is None
    if raw:
        assert learned().match_reads([raw]) is None
        assert learned().match_reads([GOOD, raw]) is None


def test_reads_that_are_no_whole_events_are_left_to_the_row() -> None:
    template = learned()
    assert template.match_reads([GOOD, GOOD]) == [2, 2]
    assert template.match_reads([GOOD + GOOD]) is None
    assert template.match_reads([GOOD[:9], GOOD[9:]]) is None
    assert template.match_reads([GOOD[9:], GOOD[:9]]) is None


def test_size_lines_may_be_written_otherwise() -> None:
    raw = b"00" + GOOD.upper()[: GOOD.index(b"\r\n")] + GOOD[GOOD.index(b"\r\n") :]
    assert learned().match(raw) == ([2], [len(raw)])


def test_a_short_event_has_a_size_of_one_digit() -> None:
    template = Template(ANSWER, b'{"', b'"\n\n\r\n', chunked=True)
    assert template.match(chunk(b'{"a"\n\n')) == ([1], [11])


@pytest.mark.parametrize(
    ("read", "text", "key"),
    [
        (chunk(event("ab")), "ab", ""),  # two texts in one event
        (chunk(event("")), "", "content"),
        (chunk(event("ä")), "ä", "content"),  # not sure how the engine writes it
        (chunk(event('"')), '"', "content"),
        (chunk(event("ab")), "ab", "text"),
        (chunk(event("ab")[:-3] + b',"content":"ab"}\n\n'), "ab", "content"),  # stands there twice
        (GOOD[:3] + b";x" + GOOD[3:], "ab", "content"),  # a chunk extension
        (b"2\r\nda\r\n" + chunk(event("ab")[2:]), "ab", "content"),  # one event in two chunks
    ],
)
def test_learns_only_what_it_is_sure_of(read: bytes, text: str, key: str) -> None:
    assert learn(read, ANSWER, text, key, chunked=True) is None


def test_learns_with_a_blank_behind_the_colon() -> None:
    read = event("ab").replace(b'"content":', b'"content": ')
    template = learn(read, ANSWER, "ab", "content", chunked=False)
    assert template is not None
    assert template.match(read * 2) == ([2, 2], [len(read), 2 * len(read)])


def test_sizes_that_are_none_take_no_memory() -> None:
    from imaxproxy.wire.template import PAYLOAD_BYTES

    before = len(PAYLOAD_BYTES)
    learned().match(b"x" * 100_000 + GOOD)
    assert len(PAYLOAD_BYTES) <= before + 1  # the good one, when this test runs alone
