"""What the engine receives of a request's head."""

import pytest
from on_loop import run
from scripted_engine import Request, answering, page

from proxy.running import CHAT, get, post, proxied


def received(*requests: bytes) -> list[Request]:
    """What the engine was sent for these requests on one connection."""

    async def scenario() -> list[Request]:
        async with proxied(answering(page(200, b"{}"))) as running:
            client = await running.connect()
            for request in requests:
                await client.send(request)
                await client.read_page()
            return running.engine.requests

    return run(scenario())


def test_headers_keep_names_order_values_and_doubles() -> None:
    ours = (
        b"X-Odd-CASE: 1",
        b"Authorization: Bearer sk-1",
        b"Cookie: a=1",
        b"X-Two: 1",
        b"X-Two: 2",
        b"x-latin: caf\xe9",
    )
    (request,) = received(post(b"{}", *ours))
    assert b"\r\n".join(ours) in request.head


def test_headers_for_one_hop_stay_there() -> None:
    hop = (b"Connection: keep-alive, X-Named,  x-also ", b"X-Named: 1", b"X-Also: 1", b"Keep-Alive: 5", b"TE: trailers")
    more = (b"Proxy-Authorization: Basic x", b"Proxy-Connection: close", b"Trailer: X-Sum", b"X-Kept: 1")
    (request,) = received(post(b"{}", *hop, *more))
    names = [name.lower() for name, _ in request.headers]
    ours = [b"accept-encoding", b"x-request-id", b"traceparent", b"content-length"]
    assert names == [b"host", b"content-type", b"x-kept", *ours]


def test_the_host_is_the_engines_and_no_encoding_is_asked_for() -> None:
    (request,) = received(post(b"{}", b"Accept-Encoding: gzip, br"))
    assert request.header(b"host") is not None
    assert request.header(b"host") != b"proxy"
    assert [value for name, value in request.headers if name.lower() == b"accept-encoding"] == [b"identity"]


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (b"/v1/models?limit=2&after=a%20b", b"GET /v1/models?limit=2&after=a%20b HTTP/1.1"),
        # escapes are neither undone nor added
        (b"/v1/models/org%2Fname%C3%A9", b"GET /v1/models/org%2Fname%C3%A9 HTTP/1.1"),
        (b"/v1/./a/../b//c", b"GET /v1/./a/../b//c HTTP/1.1"),
        # as to a forward proxy
        (b"http://proxy/v1/models?x=1", b"GET /v1/models?x=1 HTTP/1.1"),
        (b"http://PROXY", b"GET / HTTP/1.1"),
        # a path of the engine's, never a host
        (b"//elsewhere/v1/models", b"GET //elsewhere/v1/models HTTP/1.1"),
        (b"/@elsewhere/..;/x", b"GET /@elsewhere/..;/x HTTP/1.1"),
        (b"/v1/files?url=http://elsewhere/x", b"GET /v1/files?url=http://elsewhere/x HTTP/1.1"),
    ],
)
def test_the_target_is_the_clients(target: bytes, line: bytes) -> None:
    (request,) = received(get(target))
    assert request.line == line
    assert request.header(b"content-length") is None


@pytest.mark.parametrize("method", [b"GET", b"DELETE", b"PUT", b"PATCH", b"OPTIONS", b"POST"])
def test_any_method(method: bytes) -> None:
    (request,) = received(get(b"/v1/files/1", method=method))
    assert request.line == method + b" /v1/files/1 HTTP/1.1"
    assert request.header(b"content-length") == (b"0" if method in (b"PUT", b"PATCH", b"POST") else None)


def test_the_server_as_a_whole_can_be_asked_for_its_options() -> None:
    (request,) = received(get(b"*", method=b"OPTIONS"))
    assert request.line == b"OPTIONS * HTTP/1.1"


def test_the_path_before_v1_is_the_engines_own() -> None:
    from imaxproxy.wire import BaseUrl

    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}"))) as running:
            running.fleet.upstreams[0].pool.url = BaseUrl("127.0.0.1", running.engine.port, "/engines/a")
            client = await running.connect()
            await client.send(post())
            await client.read_page()
            assert running.engine.requests[0].line == b"POST /engines/a" + CHAT + b" HTTP/1.1"

    run(scenario())
