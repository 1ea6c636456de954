"""Who may ask what, through a proxy."""

import asyncio
import json

import pytest
from on_loop import run, until
from openai import AsyncOpenAI, AuthenticationError
from scripted_engine import Call, answering, page, whole_stream

from imaxproxy.errors import UsageError
from imaxproxy.metrics import Outcome
from imaxproxy.proxy import Admission, Allowance, Credentials, KeyRing, Rate
from imaxproxy.wire import BaseUrl
from proxy.running import Running, Wire, get, post, proxied

ALICE = b"Authorization: Bearer sk-CANARY-alice"
KEYS = ["alice:sk-CANARY-alice", "bob:sk-CANARY-bob in_flight=1", "carol:sk-CANARY-carol rate=2/h"]


def keyed(*lines: str, credentials: Credentials | None = None) -> Admission:
    return Admission(read_keys=lambda: KeyRing(lines or KEYS, "keys", Allowance()), credentials=credentials)


async def asked(client: Wire, request: bytes) -> tuple[int, bytes, dict]:  # type: ignore[type-arg]
    """Status, head and body of the answer."""
    await client.send(request)
    head, body = await client.read_page()
    return int(head.split(b" ")[1]), head, json.loads(body)


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/models", b"/imax/stats", b"/imax/engine", b"/"])
@pytest.mark.parametrize(
    "header",
    [b"X-None: 1", b"Authorization: Bearer sk-CANARY-wrong", b"x-api-key: sk-CANARY-no", b"x-api-key: sk-\xff"],
)
def test_nobody_comes_in_without_a_key(path: bytes, header: bytes) -> None:
    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}")), keyed()) as running:
            client = await running.connect()
            for _ in range(2):  # the connection stays
                status, head, said = await asked(client, post(b"{}", header, path=path))
                assert (status, said["error"]["code"]) == (401, "invalid_api_key")
                assert b"WWW-Authenticate: Bearer\r\n" in head
                assert "CANARY" not in str(said)
            assert running.engine.connections == 0
            assert running.exchanges == []  # anybody could fill the disk with them
            assert running.proxy._admission.refused == {"no_key": 2}

    run(scenario())


def test_health_is_for_everybody_and_for_nothing_else() -> None:
    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}")), keyed()) as running:
            client = await running.connect()
            assert (await asked(client, get(b"/health")))[2] == {"status": "ready"}
            for path in (b"/health/", b"/health/../v1/models", b"//health", b"/v1/models?/health", b"/imax/../health"):
                assert (await asked(client, get(path)))[0] == 401
            assert running.engine.requests == []

    run(scenario())


@pytest.mark.parametrize("header", [ALICE, b"x-api-key: sk-CANARY-alice"])
def test_a_key_opens_the_door_is_noted_by_its_name_and_stays_here(header: bytes) -> None:
    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}")), keyed()) as running:
            client = await running.connect()
            assert (await asked(client, post(b"{}", header)))[0] == 200
            assert (await running.exchange()).ask.client == "alice"
            assert b"CANARY" not in running.engine.requests[0].head
            status, _, stats = await asked(client, get(b"/imax/stats", header))
            assert (status, stats["refused"]) == (200, {})

    run(scenario())


@pytest.mark.parametrize("asks_for_keys", [True, False])
def test_the_engine_is_shown_the_proxys_key(asks_for_keys: bool) -> None:
    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}"))) as running:
            url = running.fleet.upstreams[0].url
            running.proxy._admission = (
                keyed(credentials=Credentials([lambda: "sk-CANARY-up"], [url]))
                if asks_for_keys
                else Admission(credentials=Credentials([lambda: "sk-CANARY-up"], [url]))
            )
            client = await running.connect()
            await asked(client, post(b"{}", ALICE, b"X-Api-Key: sk-CANARY-bob", b"api-key: x"))
            names = [name.lower() for name, _ in running.engine.requests[0].headers]
            assert running.engine.requests[0].header(b"authorization") == b"Bearer sk-CANARY-up"
            assert (names.count(b"authorization"), b"x-api-key" in names, b"api-key" in names) == (1, False, False)

    run(scenario())


def test_without_keys_the_clients_own_passes() -> None:
    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}"))) as running:
            client = await running.connect()
            await asked(client, post(b"{}", ALICE))
            assert ALICE in running.engine.requests[0].head
            assert (await running.exchange()).ask.client is None

    run(scenario())


def test_one_client_at_its_limit_is_told_when_to_come_back_and_others_go_on() -> None:
    async def script(call: Call) -> None:
        if call.request.body == b"wait":
            await go_on.wait()
        await call.send(page(200, b"{}"))

    async def scenario() -> None:
        nonlocal go_on
        go_on = asyncio.Event()
        bob, carol = b"x-api-key: sk-CANARY-bob", b"x-api-key: sk-CANARY-carol"
        async with proxied(script, keyed()) as running:
            waiting, client = await running.connect(), await running.connect()
            await waiting.send(post(b"wait", bob))
            await until(lambda: running.engine.requests, "the engine to be asked")
            status, head, said = await asked(client, post(b"{}", bob))
            assert (status, said["error"]["code"]) == (429, "too_many_in_flight")
            assert b"Retry-After: 1\r\n" in head
            assert b"x-should-retry" not in head  # it may: no engine has heard of this one
            assert [(await asked(client, post(b"{}", carol)))[0] for _ in range(3)] == [200, 200, 429]
            go_on.set()
            await waiting.read_page()
            await until(lambda: len(running.exchanges) == 5, "all exchanges to end")
            assert (await asked(client, post(b"{}", bob)))[0] == 200
            # Those that were told to wait are in the journal: somebody with a name wanted them.
            refused = [(each.ask.client, each.outcome, each.error) for each in running.exchanges if each.error]
            assert refused == [
                ("bob", Outcome.FAILED, "too_many_in_flight"),
                ("carol", Outcome.FAILED, "rate_limited"),
            ]

    go_on = asyncio.Event()
    run(scenario())


def test_without_keys_all_share_one_allowance() -> None:
    async def scenario() -> None:
        admission = Admission(anyone=Allowance(rate=Rate(2, 3600)))
        async with proxied(answering(page(200, b"{}")), admission) as running:
            answers = [(await asked(await running.connect(), post()))[:2] for _ in range(3)]
            assert [status for status, _ in answers] == [200, 200, 429]
            assert b"Retry-After: 1800\r\n" in answers[-1][1]
            assert (await asked(await running.connect(), get(b"/imax/stats")))[0] == 200  # our own pages are free

    run(scenario())


async def leave_at_once(running: Running) -> None:
    client = await running.connect()
    await client.send(post(b"{}", b"x-api-key: sk-CANARY-bob"))
    await until(lambda: running.proxy._in_flight, "the request to be taken up")
    client.leave()
    await until(lambda: not running.proxy._in_flight, "it to be given up")


def test_a_client_that_leaves_gives_its_place_back() -> None:
    async def script(call: Call) -> None:
        await call.gone()

    async def scenario() -> None:
        async with proxied(script, keyed()) as running:
            for _ in range(20):
                await leave_at_once(running)
            assert {each.error for each in running.exchanges} == {"client_left"}
            assert running.proxy._admission._keys is not None
            assert [account.in_flight for account in running.proxy._admission._keys.accounts] == [0, 0, 0]

    run(scenario())


def test_the_anthropic_api_has_its_own_form_of_an_error() -> None:
    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}")), keyed()) as running:
            client = await running.connect()
            status, _, said = await asked(client, post(b"{}", path=b"/v1/messages"))
            assert (status, said["type"], said["error"]["type"]) == (401, "error", "authentication_error")

    run(scenario())


def test_the_openai_client_understands_both_refusals() -> None:
    """A wrong key is its user's mistake at once; at a limit it waits as told, and its user sees an answer."""

    async def scenario() -> None:
        async with proxied(answering(*whole_stream(2)), keyed("a:sk-CANARY", "b:sk-CANARY-b rate=1/s")) as running:
            async with AsyncOpenAI(base_url=f"{running.url}/v1", api_key="sk-CANARY-wrong") as client:
                with pytest.raises(AuthenticationError, match="no_key: show a valid key"):
                    await client.models.list()
            async with AsyncOpenAI(base_url=f"{running.url}/v1", api_key="sk-CANARY-b", max_retries=2) as client:
                for _ in range(2):
                    stream = await client.completions.create(model="m", prompt="hi", stream=True)
                    assert len([event async for event in stream]) == 3
            retried = [each.ask.client_retry for each in running.exchanges if each.error is None]
            assert retried == [0, 1]
            page = await asked(await running.connect(), get(b"/imax/stats", b"x-api-key: sk-CANARY"))
            assert page[2]["requests"]["client_retries"] == 1

    run(scenario())


def test_keys_are_read_again_when_told_and_kept_when_they_cannot_be() -> None:
    lines = ["a:sk-CANARY-old"]

    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}")), Admission(read_keys=read)) as running:
            client = await running.connect()

            async def statuses() -> list[int]:
                return [
                    (await asked(client, post(b"{}", b"x-api-key: sk-CANARY-" + key)))[0] for key in (b"old", b"new")
                ]

            assert await statuses() == [200, 401]
            lines[:] = ["a:sk-CANARY-new"]
            running.proxy._admission.reload()
            assert await statuses() == [401, 200]
            lines[:] = ["broken file here"]
            with pytest.raises(UsageError):
                running.proxy._admission.reload()
            assert await statuses() == [401, 200]

    def read() -> KeyRing:
        return KeyRing(lines, "keys", Allowance())

    run(scenario())


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get(b"elsewhere:80", method=b"CONNECT"), 405),
        (get(b"/v1/models", method=b"TRACE"), 405),
        (get(b"http://elsewhere/v1/models"), 400),
        (get(b"http://user:sk-CANARY@proxy/v1/models"), 400),
        (get(b"http://proxy@elsewhere/v1/models"), 400),
        (get(b"ftp://proxy/v1/models"), 400),
        (get(b"/v1/caf\xc3\xa9"), 400),
        (get(b"/v1/models#part"), 400),
        (get(b"/v1/\tmodels"), 400),
    ],
)
def test_what_an_engine_might_read_otherwise_is_refused_and_the_connection_closed(
    request_bytes: bytes, status: int
) -> None:
    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}"))) as running:
            client = await running.connect()
            assert (await asked(client, request_bytes))[0] == status
            assert await client.read_all() == b""
            assert running.engine.connections == 0

    run(scenario())


def test_its_repr_shows_no_key() -> None:
    admission = keyed(credentials=Credentials([lambda: "sk-CANARY-up"], [BaseUrl("e", 80)]))
    assert "alice" in repr(admission)
    assert "CANARY" not in repr(admission)
