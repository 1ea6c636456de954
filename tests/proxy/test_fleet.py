"""Several engines behind one proxy: who is asked, what when one is down, and that no request is had twice."""

import json

import pytest
from on_loop import run, until
from scripted_engine import STREAM_HEAD, Call, Script, page

from imaxproxy.errors import UsageError
from imaxproxy.proxy import Fleet, FleetRules, HealthRules, Routing
from imaxproxy.wire import BaseUrl
from proxy.fleets import NO_CHECKS, asked, body, named, refuse, stats
from proxy.running import get, post, proxied


def test_round_robin_and_the_record_says_who() -> None:
    async def scenario() -> None:
        async with proxied(named("a"), named("b"), rules=NO_CHECKS) as running:
            assert await asked(running, *[b"{}"] * 4) == b"abab"
            assert [exchange.ask.upstream for exchange in running.exchanges] == [e.url for e in running.engines] * 2
            assert [each["counts"] for each in await stats(running)] == [{"requests": 2}] * 2

    run(scenario())


def test_one_engine_is_not_named() -> None:
    async def scenario() -> None:
        async with proxied(named("a")) as running:
            await asked(running, b"{}")
            assert running.exchanges[0].ask.upstream is None

    run(scenario())


@pytest.mark.parametrize("header", ["X-Session-ID", "X-Conversation"])
def test_sessions_stay_by_header_or_body(header: str) -> None:
    async def scenario() -> None:
        rules = FleetRules(Routing.SESSION, session_header=header, health=None)
        async with proxied(named("a"), named("b"), named("c"), rules=rules) as running:
            seen = set()
            for number in range(12):
                request = post(b"{}", f"{header}: s{number}".encode())
                first, again = await running.ask(request), await running.ask(request)
                assert first[1] == again[1]
                seen.add(first[1])
                assert len(set(await asked(running, *[body(user=f"u{number}")] * 3))) == 1
            assert len(seen) > 1

    run(scenario())


def test_least_outstanding_goes_round_a_busy_engine() -> None:
    async def script(call: Call) -> None:
        await call.send(*([STREAM_HEAD] if call.request.body == b"wait" else [page(200, b"a")]))

    async def scenario() -> None:
        rules = FleetRules(Routing.LEAST_OUTSTANDING, health=None)
        async with proxied(script, named("b"), rules=rules) as running:
            client = await running.connect()
            await client.send(post(b"wait"))
            await client.read_until(b"\r\n\r\n")
            assert await asked(running, *[b"{}"] * 3) == b"bbb"
            client.leave()
            await until(lambda: not running.fleet.upstreams[0].outstanding, "the busy one to be free")
            assert b"a" in await asked(running, b"{}", b"{}")

    run(scenario())


def test_a_refused_connect_fails_over_and_three_eject() -> None:
    """No byte of the request can have been acted on: the client notices nothing, the record says so."""

    async def scenario() -> None:
        rules = FleetRules(health=HealthRules(interval_s=1000, fall=3))
        async with proxied(named("a", "m"), named("b", "m"), rules=rules) as running:
            await until(lambda: all(each.models for each in running.fleet.upstreams), "the first checks")
            with refuse(running, 0):
                assert await asked(running, *[b"{}"] * 8) == b"b" * 8
            (line,) = running.told
            assert f"upstream {running.engines[0].url} ejected after 3 failures: connect_refused" in line
            retried = [exchange.ask.retried for exchange in running.exchanges]
            assert retried.count("connect_refused") == 3
            assert {exchange.status for exchange in running.exchanges} == {200}
            down, up = await stats(running)
            assert (down["up"], down["ejections"], down["counts"]["connect_refused"]) == (False, 1, 3)
            assert (up["up"], up["counts"]["retried_connect_refused"], up["counts"]["requests"]) == (True, 3, 8)

    run(scenario())


def test_when_all_are_down_the_client_hears_of_it_and_the_first_to_come_back_answers() -> None:
    async def scenario() -> None:
        rules = FleetRules(health=HealthRules(interval_s=1000, fall=1))
        async with proxied(named("a"), named("b"), rules=rules) as running:
            where = [upstream.pool.url for upstream in running.fleet.upstreams]
            with refuse(running, 0), refuse(running, 1):
                for _ in range(2):
                    head, said = await running.ask(post())
                    assert head.startswith(b"HTTP/1.1 502 ")
                    assert json.loads(said)["error"]["code"] == "connect_refused"
                assert {exchange.ask.retried for exchange in running.exchanges} == {"connect_refused"}
                assert (await running.ask(get(b"/health")))[0].startswith(b"HTTP/1.1 503 ")
            assert [each["up"] for each in await stats(running)] == [False, False]
            running.fleet.upstreams[1].pool.url = where[1]
            assert await asked(running, b"{}", b"{}") == b"bb"
            assert (await running.ask(get(b"/health")))[0].startswith(b"HTTP/1.1 200 ")

    run(scenario())


def test_checks_eject_and_bring_back() -> None:
    healthy = True

    async def script(call: Call) -> None:
        if b"/health" in call.request.line:
            await call.send(page(200 if healthy else 503, b""))
        elif b"/v1/models" in call.request.line:
            await call.send(page(404, b"{}"))
        else:
            await call.send(page(200, b"a"))

    async def scenario() -> None:
        nonlocal healthy
        rules = FleetRules(health=HealthRules(interval_s=0.01, fall=2, rise=2))
        async with proxied(script, named("b"), rules=rules) as running:
            healthy = False
            await until(lambda: running.told, "the ejection")
            assert await asked(running, *[b"{}"] * 3) == b"bbb"
            healthy = True
            await until(lambda: len(running.told) == 2, "the return")
            assert sorted(await asked(running, *[b"{}"] * 2)) == sorted(b"ab")
            assert "ejected after 2 failures: http_503" in running.told[0]
            assert running.told[1] == f"imaxproxy: upstream {running.engines[0].url} is back"

    run(scenario())


def test_nothing_in_a_request_chooses_where_the_proxy_connects() -> None:
    tries = [b"http://127.0.0.1:9/v1/x", b"//127.0.0.1:9/v1", b"/v1/..;/@127.0.0.1:9", b"/v1/x?url=http://127.0.0.1:9"]

    async def scenario() -> None:
        async with proxied(named("a"), named("b"), rules=NO_CHECKS) as running:
            for target in tries:
                headers = (
                    b"X-Forwarded-Host: 127.0.0.1:9",
                    b"X-Upstream: http://127.0.0.1:9",
                    b"X-Session-ID: @127.0.0.1",
                )
                await running.ask(
                    post(body(model="http://127.0.0.1:9/v1", base_url="http://127.0.0.1:9"), *headers, path=target)
                )
            # The first is refused at the door: its target and its Host name different hosts.
            assert sum(len(engine.requests) for engine in running.engines) == len(tries) - 1
            assert {exchange.status for exchange in running.exchanges} == {200}

    run(scenario())


def test_checks_and_lists_show_each_engine_the_proxys_key_for_it() -> None:
    """vLLM's and SGLang's `/v1/models` ask for a key; the client's own never gets there."""

    def locked(key: bytes) -> Script:
        async def script(call: Call) -> None:
            known = call.request.header(b"authorization") == b"Bearer " + key
            models = b'{"data": [{"id": "%b"}]}' % key
            await call.send(page(200, models) if known else page(401, b"{}"))

        return script

    keys = ["old-a", "sk-b"]

    async def scenario() -> None:
        sources = [lambda: keys[0], lambda: keys[1]]
        rules = FleetRules(health=HealthRules(interval_s=0.01))
        async with proxied(locked(b"sk-a"), locked(b"sk-b"), rules=rules, credentials=sources) as running:
            a, b = running.fleet.upstreams
            await until(lambda: b.models, "the first check")
            assert a.models is None
            keys[0] = "sk-a"
            running.proxy._admission.reload()
            await until(lambda: a.models, "a check with the new key")
            _, said = await running.ask(get(b"/v1/models", b"Authorization: Bearer client"))
            assert [entry["id"] for entry in json.loads(said)["data"]] == ["sk-a", "sk-b"]
            shown = {request.header(b"authorization") for e in running.engines for request in e.requests}
            assert shown == {b"Bearer old-a", b"Bearer sk-a", b"Bearer sk-b"}

    run(scenario())


def test_two_of_the_same_name_are_refused() -> None:
    url = BaseUrl("127.0.0.1", 8000)
    with pytest.raises(UsageError, match="same name"):
        Fleet([url, url])
