"""HTTP/1.1 as RFC 9110 and 9112 have it: what must be waited for, answered, refused, and never read in two ways.

The 33 cases are those that h1spec tries; the 24 are requests that are not HTTP, or are it in two ways.
"""

import asyncio
import json

import pytest
from on_loop import run, until
from scripted_engine import Call, answering, page

from imaxproxy.proxy import Admission, Limits
from proxy.running import Wire, get, head_and_body, post, proxied

HOST = b"Host: example.com"
BEGINNINGS = [
    b"G",
    b"GET ",
    b"GET /hello",
    b"GET /hello ",
    b"GET /hello HTTP",
    b"GET /hello HTTP/1.1",
    b"GET /hello HTTP/1.1\r",
    b"GET /hello HTTP/1.1\r\n",
    b"GET /hello HTTP/1.1\r\nHos",
    b"GET /hello HTTP/1.1\r\nHost:",
    b"GET /hello HTTP/1.1\r\nHost: ",
    b"GET /hello HTTP/1.1\r\nHost: localhost",
    b"GET /hello HTTP/1.1\r\nHost: localhost\r",
    b"GET /hello HTTP/1.1\r\nHost: localhost\r\n",
    b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r",
]
"""A request that has begun is waited for."""
WHOLE = [
    (b"GET / HTTP/1.1\r\n%b\r\n\r\n" % HOST, b"200"),
    (b"GET / HTTP/1.1\r\nhoSt:\texample.com\r\nempty:\r\n\r\n", b"200"),
    (b"GET / HTTP/1.1\r\n%b\r\nX-Empty: \r\n\r\n" % HOST, b"200"),
    (b"GET / HTTP/1.1\r\n%b\r\nExpect: 100-continue\r\n\r\n" % HOST, b"100"),
    (b"POST / HTTP/1.1\r\n%b\r\nContent-Length: 5\r\n\r\nhello" % HOST, b"200"),
    (b"POST / HTTP/1.1\r\n%b\r\nTransfer-Encoding: chunked\r\n\r\nc\r\nHellO world1\r\n0\r\n\r\n" % HOST, b"200"),
]
BROKEN = [
    b"GET / \r\n\r\n",  # no version
    b"GET / HTTP/1.1\r\n%b\r\nX-Invalid[]: test\r\n\r\n" % HOST,  # a name is a token
    b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",  # no host
    b"GET / HTTP/1.1\r\n%b\r\nHost: example.org\r\n\r\n" % HOST,  # two hosts
    b"GET / HTTP/1.1\r\n%b\r\nContent-Length: -123456789123456789123456789\r\n\r\n" % HOST,
    b"GET / HTTP/1.1\r\n%b\r\nContent-Length: -1234\r\n\r\n" % HOST,
    b"GET / HTTP/1.1\r\n%b\r\nContent-Length: abc\r\n\r\n" % HOST,
    b"GET / HTTP/1.1\r\n%b\r\nX-Bell: test\x07\r\n\r\n" % HOST,  # a control character
    b"GET / HTTP/9.9\r\n%b\r\n\r\n" % HOST,  # no such version
    b"Extra lineGET / HTTP/1.1\r\n%b\r\n\r\n" % HOST,
    b"GET / HTTP/1.1\r\n%b\r\n\rSome-Header: Test\r\n\r\n" % HOST,  # a lone CR
    b"POST / HTTP/1.1\r\n%b\r\ncontent-LengtH: 5\r\nTransFer-Encoding: chunked\r\n\r\n0\r\n\r\n" % HOST,  # two framings
]
"""All of these are answered with 4xx or 5xx."""
ANOTHER = b"GET /smuggled HTTP/1.1\r\n%b\r\n\r\n" % HOST
POST = b"POST / HTTP/1.1\r\n%b\r\n" % HOST
MALFORMED = {
    "te and length": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + ANOTHER,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + ANOTHER,
    "a list of lengths": POST + b"Content-Length: 0, 44\r\n\r\n" + ANOTHER,
    "a length with a sign": POST + b"Content-Length: +5\r\n\r\nhello",
    "a length in hex": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "a length with an underscore": POST + b"Content-Length: 1_0\r\n\r\nhellohello",
    "a length over 64 bits": POST + b"Content-Length: 18446744073709551621\r\n\r\nhello",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked is not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a vertical tab before chunked": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before a colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a chunk size of 0x": POST + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk size with an underscore": POST + b"Transfer-Encoding: chunked\r\n\r\n1_0\r\nhello\r\n0\r\n\r\n",
    "a chunk size with a sign": POST + b"Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
    "a chunk size over 64 bits": POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a chunk without its end": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\n%b\r\nX-A: 1\r\n folded\r\n\r\n" % HOST,
    "a header with a NUL": b"GET / HTTP/1.1\r\n%b\r\nX-A: 1\x002\r\n\r\n" % HOST,
    "a header without a colon": b"GET / HTTP/1.1\r\n%b\r\nX-A\r\n\r\n" % HOST,
    "a header without a name": b"GET / HTTP/1.1\r\n%b\r\n: 1\r\n\r\n" % HOST,
    "lines that end in LF": b"GET / HTTP/1.1\n%b\n\n" % HOST,
    "another host in the target": b"GET http://elsewhere/ HTTP/1.1\r\n%b\r\n\r\n" % HOST,
    "two spaces in the request line": b"GET  / HTTP/1.1\r\n%b\r\n\r\n" % HOST,
}
TOLERATED = {"two spaces in the request line"}
"""llhttp skips them; what is sent on has one."""


async def echo(call: Call) -> None:
    """What was asked, so that an answer can be told from another's."""
    await call.send(page(200, call.request.line + b"|" + call.request.body))


async def status_of(client: Wire) -> bytes:
    return (await client.read_until(b"\r\n")).split(b" ")[1]


def answer_to(sent: bytes) -> bytes:
    """Status of the first answer."""

    async def scenario() -> bytes:
        async with proxied(echo) as running:
            client = await running.connect()
            await client.send(sent)
            return await status_of(client)

    return run(scenario())


def test_the_tables_are_whole() -> None:
    assert len(BEGINNINGS) + len(WHOLE) + len(BROKEN) == 33
    assert len(MALFORMED) == 24
    assert len(TOLERATED) <= 1


def test_a_request_that_has_begun_is_waited_for() -> None:
    """Nothing is answered, and once the rest comes it is a request like any other."""
    whole = BEGINNINGS[-1] + b"\n"

    async def scenario() -> None:
        async with proxied(echo) as running:
            clients = [await running.connect() for _ in BEGINNINGS]
            for client, beginning in zip(clients, BEGINNINGS, strict=True):
                await client.send(beginning)
            canary = await running.connect()
            await canary.send(get(b"/"))  # what came before it has been read when this is answered
            await canary.read_page()
            for client, beginning in zip(clients, BEGINNINGS, strict=True):
                assert client.reader._buffer == b""  # type: ignore[attr-defined]
                await client.send(whole[len(beginning) :])
            assert {await status_of(client) for client in clients} == {b"200"}

    run(scenario())


@pytest.mark.parametrize(("sent", "status"), WHOLE)
def test_what_is_whole_is_answered(sent: bytes, status: bytes) -> None:
    assert answer_to(sent) == status


@pytest.mark.parametrize("sent", BROKEN)
def test_what_is_broken_is_refused(sent: bytes) -> None:
    assert answer_to(sent)[:1] in b"45"


@pytest.mark.parametrize("name", sorted(MALFORMED.keys() - TOLERATED))
def test_what_can_be_read_in_two_ways_is_refused_and_the_connection_closed(name: str) -> None:
    """Whatever else comes on it is never looked at: it may be meant as a body, or as a request."""

    async def scenario() -> None:
        async with proxied(echo) as running:
            client = await running.connect()
            await client.send(MALFORMED[name])
            head, _ = head_and_body(await client.read_all())  # ends: it was closed
            assert head.split(b" ")[1] in (b"400", b"413")
            assert [each.line for each in running.engine.requests] == []

    run(scenario())


def test_what_is_tolerated_is_set_right_for_the_engine() -> None:
    async def scenario() -> None:
        async with proxied(echo) as running:
            client = await running.connect()
            await client.send(MALFORMED["two spaces in the request line"])
            assert await status_of(client) == b"200"
            assert running.engine.requests[0].line == b"GET / HTTP/1.1"

    run(scenario())


def test_after_each_malformed_request_the_next_one_gets_its_own_answer() -> None:
    """On the engine's pooled connection, which others use too: nothing of the bad one is left on it (C14)."""

    async def scenario() -> None:
        async with proxied(echo) as running:
            good = await running.connect()
            for number, sent in enumerate([*MALFORMED.values(), *BROKEN, *BEGINNINGS]):
                bad = await running.connect()
                await bad.send(sent)
                await good.send(post(b"nonce-%d" % number, path=b"/n/%d" % number))
                assert (await good.read_page())[1] == b"POST /n/%d HTTP/1.1|nonce-%d" % (number, number)
                bad.leave()
            assert running.engine.connections <= 2  # one that was pooled, one more at most

    run(scenario())


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_pipelined_and_interleaved_requests_never_cross_answers(count: int) -> None:
    """Many clients, each of which sends many requests without waiting: each answer is its own, and in order."""
    clients_count = 10

    async def one(client: Wire, name: int, each: int) -> None:
        async def send() -> None:
            for number in range(each):
                body = b"%d-%d" % (name, number) * (1 + number % 50)
                if number % 3:
                    await client.send(post(body, path=b"/%d/%d" % (name, number)))
                else:
                    pieces = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
                    await client.send(CHUNKED % (name, number) + pieces)
                if number % 7 == 0:
                    await asyncio.sleep(0)

        sending = asyncio.ensure_future(send())
        for number in range(each):
            body = b"%d-%d" % (name, number) * (1 + number % 50)
            expected = b"POST /%d/%d HTTP/1.1|%b" % (name, number, body)
            assert (await client.read_page())[1] == expected
        await sending

    async def scenario() -> None:
        async with proxied(echo) as running:
            clients = [await running.connect() for _ in range(clients_count)]
            await asyncio.gather(*(one(client, name, count // clients_count) for name, client in enumerate(clients)))
            assert len(running.exchanges) == count

    run(scenario(), deadline_s=20 if count == 300 else 120)


CHUNKED = b"POST /%d/%d HTTP/1.1\r\nHost: proxy\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_two_requests_in_one_read_are_answered_in_order() -> None:
    async def scenario() -> None:
        async with proxied(echo) as running:
            client = await running.connect()
            await client.send(post(b"one", path=b"/1") + get(b"/2"))
            assert (await client.read_page())[1] == b"POST /1 HTTP/1.1|one"
            assert (await client.read_page())[1] == b"GET /2 HTTP/1.1|"

    run(scenario())


@pytest.mark.parametrize(
    ("headers", "stays"), [((), False), ((b"Connection: keep-alive",), True), ((b"Connection: close",), False)]
)
def test_a_client_of_http_1_0(headers: tuple[bytes, ...], stays: bool) -> None:
    async def scenario() -> None:
        async with proxied(echo) as running:
            client = await running.connect()
            request = get(b"/1", *headers).replace(b"HTTP/1.1", b"HTTP/1.0")
            await client.send(request)
            head, _ = await client.read_page()
            assert (b"Connection: keep-alive" in head, b"Connection: close" in head) == (stays, not stays)
            if stays:
                await client.send(request)
                await client.read_page()
            else:
                assert await client.read_all() == b""

    run(scenario())


def test_options_pass_and_head_has_no_body() -> None:
    """A browser's question before its request is for the engine to answer."""
    allowed = b"HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n\r\n"

    async def script(call: Call) -> None:
        await call.send(allowed if call.request.line.startswith(b"OPTIONS") else page(200, b"")[:-5] + b" 7\r\n\r\n")

    async def scenario() -> None:
        async with proxied(script) as running:
            client = await running.connect()
            ask = (b"Origin: http://a", b"Access-Control-Request-Method: POST")
            await client.send(get(b"/v1/models", *ask, method=b"OPTIONS"))
            assert await client.read_until(b"\r\n\r\n") == allowed
            assert ask[1] in running.engine.requests[0].head
            for _ in range(2):
                await client.send(get(b"/v1/models", method=b"HEAD"))
                assert b"Content-Length: 7" in await client.read_until(b"\r\n\r\n")

    run(scenario())


HOP = [
    b"Connection: X-Named, keep-alive",
    b"X-Named: 1",
    b"Keep-Alive: timeout=5",
    b"Proxy-Authenticate: Basic",
    b"Proxy-Authorization: Basic x",
    b"Proxy-Connection: keep-alive",
    b"TE: trailers",
    b"Trailer: X-Sum",
    b"Upgrade: h2c",
]


def test_headers_for_one_hop_stay_on_it_both_ways() -> None:
    """The nine of RFC 9110, section 7.6.1, and what `Connection` names (C15). The body's framing is the relay's own."""

    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}", *HOP, b"X-Kept: 1"))) as running:
            client = await running.connect()
            await client.send(post(b"{}", *HOP, b"X-Kept: 1"))
            head, _ = await client.read_page()
            for seen in (head, running.engine.requests[0].head):
                assert b"X-Kept: 1" in seen
                assert [line for line in HOP if line.partition(b":")[0].lower() + b":" in seen.lower()] == []

    run(scenario())


def test_a_body_of_a_byte_too_much_is_refused_before_it_has_come() -> None:
    """Nobody reads it to its end: of 10 GiB that are announced, or sent in chunks, a little is enough to say no."""

    async def scenario() -> None:
        async with proxied(echo, Admission(Limits(body_bytes=1000))) as running:
            announced = await running.connect()
            await announced.send(post(b"").replace(b"Length: 0", b"Length: %d" % (10 << 30)) + b"x" * 99)
            chunked = await running.connect()
            await chunked.send(CHUNKED % (1, 1) + b"280000000\r\n" + b"x" * 2000)
            for client in (announced, chunked):
                head, body = await client.read_page()
                assert head.startswith(b"HTTP/1.1 413 ")
                assert json.loads(body)["error"]["message"] == "body_too_large: the request's body is over 1000 bytes"
                client.leave()
            await until(lambda: not running.proxy._front.connections, "both to be let go")
            exact = await running.connect()
            await exact.send(post(bytes(1000)))
            assert (await exact.read_page())[0].startswith(b"HTTP/1.1 200 ")
            assert running.engine.connections == 1

    run(scenario())
