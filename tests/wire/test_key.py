import pytest

from imaxproxy.metrics import Ask, Exchange, Outcome
from imaxproxy.wire import keyless

ASK = Ask("r", "/v1/chat/completions", started_ns=0)
HEAD = b"POST / HTTP/1.1\r\nHost: e\r\n%b\r\n\r\n"


def detail(text: str | None, request: bytes) -> str | None:
    return keyless(Exchange(ASK, Outcome.FAILED, 1, error="http_401", detail=text), request).detail


@pytest.mark.parametrize(
    "header", [b"Authorization: Bearer sk-1", b"authorization:bearer  sk-1", b"X-API-Key: sk-1", b"api-key:sk-1"]
)
def test_a_key_that_the_engine_repeats_is_hidden(header: bytes) -> None:
    assert detail("bad key sk-1, no sk-1!", HEAD % header + b"{}") == "bad key ***, no ***!"


@pytest.mark.parametrize("request_bytes", [HEAD % b"X-Other: sk-1", HEAD % b"A: b" + b"\nauthorization: bearer sk-1"])
def test_other_words_stay(request_bytes: bytes) -> None:
    """A body's too: it is the prompt, and no header."""
    assert detail("bad sk-1", request_bytes) == "bad sk-1"
    assert detail(None, request_bytes) is None
