import pytest
from scripted_engine import sse

from imaxproxy.metrics import ANSWER, REASONING, TOOL
from imaxproxy.wire import CHAT, event_texts


def delta(index: int = 0, **fields: object) -> bytes:
    return sse({"choices": [{"index": index, "delta": fields}]})


def body(*chunks: bytes) -> bytes:
    """Without the framing that `sse` puts around each."""
    return b"".join(chunk.split(b"\r\n", 1)[1].removesuffix(b"\r\n") for chunk in chunks)


def test_texts_are_those_of_token_events_alone() -> None:
    call = [{"index": 0, "function": {"arguments": '{"a":1}'}}]
    events = (
        delta(role="assistant", content=""),
        delta(reasoning_content="why"),
        delta(content="so"),
        delta(tool_calls=call),
        delta(content=""),
        sse(b'{"cho'),
        sse(b"[DONE]"),
    )
    assert event_texts(body(*events), CHAT) == [(REASONING, "why"), (ANSWER, "so"), (TOOL, '{"a":1}')]


@pytest.mark.parametrize("cut", [1, 20])
def test_of_a_cut_stream_what_came_whole(cut: int) -> None:
    whole = body(delta(content="one"), delta(content="two"))
    assert event_texts(whole[:-cut], CHAT) == [(ANSWER, "one")]


def test_of_several_answers_in_one_nothing_is_said() -> None:
    assert event_texts(body(delta(content="one"), delta(1, content="two")), CHAT) is None
