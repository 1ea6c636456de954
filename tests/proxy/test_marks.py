"""By what a request is known on its way."""

import re

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from on_loop import run
from scripted_engine import Request, answering, page

from imaxproxy.metrics import Ask
from imaxproxy.proxy.marks import Marks
from proxy.running import post, proxied

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def marks(*headers: tuple[str, str]) -> Marks:
    return Marks.of(CIMultiDictProxy(CIMultiDict(headers)))


def passed(*headers: bytes) -> tuple[Request, Ask]:
    """What the engine was sent, and what was noted."""

    async def scenario() -> tuple[Request, Ask]:
        async with proxied(answering(page(200, b"{}"))) as running:
            client = await running.connect()
            await client.send(post(b"{}", *headers))
            await client.read_page()
            return running.engine.requests[0], (await running.exchange()).ask

    return run(scenario())


@pytest.mark.parametrize("sent", ["req-1", "A.b_c-9", "x" * 128])
def test_a_request_id_of_the_clients_is_kept(sent: str) -> None:
    assert marks(("x-request-id", sent)).request_id == sent


@pytest.mark.parametrize("sent", ["with space", "caf\xe9", "tab\there", "x" * 129, "", "a\n", "a\r\nb: c", "{}"])
def test_one_that_could_harm_a_log_is_replaced(sent: str) -> None:
    found = marks(("X-Request-ID", sent), ("traceparent", PARENT))
    assert re.fullmatch("[0-9a-f]{32}", found.request_id)
    assert (found.dropped, found.added) == ({b"x-request-id"}, (b"X-Request-ID: " + found.request_id.encode(),))


def test_two_request_ids_are_none() -> None:
    assert marks(("X-Request-ID", "a"), ("x-request-id", "b")).request_id not in ("a", "b")


@pytest.mark.parametrize("sent", [PARENT, PARENT[:-2] + "00", "cc" + PARENT[2:], "cc" + PARENT[2:] + "-what-comes"])
def test_a_trace_of_the_clients_is_kept(sent: str) -> None:
    found = marks(("X-Request-ID", "r"), ("Traceparent", sent), ("tracestate", "a=1"))
    assert (found.trace_id, found.dropped, found.added) == (TRACE, frozenset(), ())


@pytest.mark.parametrize(
    "sent",
    [
        "",
        TRACE,
        PARENT.upper(),
        PARENT + "-more",  # version 00 has no more
        "ff" + PARENT[2:],
        PARENT.replace(TRACE, "0" * 32),
        PARENT.replace("00f067aa0ba902b7", "0" * 16),
        PARENT[:-1],
        PARENT + "\n",
    ],
)
def test_a_broken_trace_is_replaced_with_its_state(sent: str) -> None:
    found = marks(("X-Request-ID", "r"), ("traceparent", sent), ("tracestate", "a=1"))
    assert found.trace_id not in (TRACE, "0" * 32)
    assert found.dropped == {b"traceparent", b"tracestate"}
    (line,) = found.added
    assert re.fullmatch(f"traceparent: 00-{found.trace_id}-[0-9a-f]{{16}}-01", line.decode())


def test_the_engine_gets_what_is_noted() -> None:
    request, ask = passed(b"X-REQUEST-ID: r-1", b"traceparent: " + PARENT.encode(), b"tracestate: a=1")
    assert b"X-REQUEST-ID: r-1\r\ntraceparent: " + PARENT.encode() + b"\r\ntracestate: a=1\r\n" in request.head
    assert (ask.request_id, ask.trace_id) == ("r-1", TRACE)


def test_what_is_missing_is_made() -> None:
    request, ask = passed(b"x-request-id: a b", b"tracestate: a=1")
    assert request.header(b"x-request-id") == ask.request_id.encode()
    assert (request.header(b"traceparent") or b"").split(b"-")[1] == (ask.trace_id or "").encode()
    assert request.header(b"tracestate") is None


def test_the_sdks_silent_retries_are_noted() -> None:
    assert passed(b"x-stainless-retry-count: 2")[1].client_retry == 2
    for nonsense in (b"", b"-1", b"x", b"99999", b"\xd9\xa1"):
        assert passed(b"x-stainless-retry-count: " + nonsense)[1].client_retry is None
