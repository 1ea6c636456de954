"""Several engines behind one proxy: who is asked, what when one is down, and that no request is had twice."""

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from on_loop import run, until
from scripted_engine import STREAM_HEAD, Call, Script, answering, page, token, whole_stream

from imaxproxy.errors import UsageError
from imaxproxy.metrics import Outcome
from imaxproxy.proxy import Fleet, FleetRules, HealthRules, ModelMap, Routing
from imaxproxy.wire import BaseUrl
from proxy.running import Running, get, post, proxied

NO_CHECKS = FleetRules(health=None)


def named(name: str, *models: str) -> Script:
    """An engine that says who it is and what it serves."""
    listed = page(
        200, json.dumps({"object": "list", "data": [{"id": model, "own": name} for model in models]}).encode()
    )
    return answering(page(200, name.encode()), models=listed)


def body(**members: object) -> bytes:
    return json.dumps(members).encode()


async def stats(running: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((await running.ask(get(b"/imax/stats")))[1])["upstreams"]
    return found


async def asked(running: Running, *bodies: bytes) -> bytes:
    """Who answered each."""
    return b"".join([(await running.ask(post(each)))[1] for each in bodies])


def refuse(running: Running, number: int) -> socket.socket:
    """From now on nobody listens where this upstream is."""
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))
    pool = running.fleet.upstreams[number].pool
    pool.url = BaseUrl("127.0.0.1", nobody.getsockname()[1])
    return nobody


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


def test_a_request_goes_to_the_engines_that_serve_its_model() -> None:
    async def scenario() -> None:
        rules = FleetRules(health=HealthRules(interval_s=1000))
        async with proxied(named("a", "x", "y"), named("b", "y"), rules=rules) as running:
            await until(lambda: all(each.models for each in running.fleet.upstreams), "the first checks")
            assert await asked(running, *[body(model="x")] * 3) == b"aaa"
            assert sorted(await asked(running, *[body(model="y")] * 2)) == sorted(b"ab")
            # The engine itself says that it knows no such model.
            assert sorted(await asked(running, *[body(model="z")] * 2)) == sorted(b"ab")

    run(scenario())


def test_the_map_changes_the_models_name_and_no_other_byte() -> None:
    sent = b'{ "seed": 9007199254740993, "model" : "gpt", "messages": [{"model":"gpt"}] }'

    async def scenario() -> None:
        models = ModelMap.parse(["gpt=one:llama", "gpt=two:llama-fp8"], ("one", "two"))
        rules = FleetRules(models=models, health=None, names=("one", "two"))
        async with proxied(named("a"), named("b"), rules=rules) as running:
            assert await asked(running, sent, sent, body(model="other")) == b"aba"
            bodies = [engine.requests[0].body for engine in running.engines]
            assert bodies == [
                sent.replace(b'"gpt"', b'"llama"', 1),
                sent.replace(b'"gpt"', b'"llama-fp8"', 1),
            ]
            assert running.engines[0].requests[1].body == body(model="other")
            assert [exchange.ask.mutated for exchange in running.exchanges] == [["model"], ["model"], None]

    run(scenario())


def test_a_model_that_is_at_one_upstream_only() -> None:
    async def scenario() -> None:
        rules = FleetRules(models=ModelMap.parse(["gpt=two:m"], ("one", "two")), health=None, names=("one", "two"))
        async with proxied(named("a"), named("b"), rules=rules) as running:
            assert await asked(running, *[body(model="gpt")] * 3) == b"bbb"

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


def test_the_models_of_all_as_one_list() -> None:
    async def scenario() -> None:
        rules = FleetRules(models=ModelMap.parse(["gpt=two:y"], ("one", "two")), health=None, names=("one", "two"))
        async with proxied(
            named("a", "x"),
            named("b", "x", "y"),
            answering(),
            rules=FleetRules(models=rules.models, health=None, names=("one", "two", "three")),
        ) as running:
            _, said = await running.ask(get(b"/v1/models", b"Authorization: Bearer k"))
            assert json.loads(said) == {
                "object": "list",
                "data": [
                    {"id": "x", "own": "a"},
                    {"id": "gpt", "own": "b"},
                    {"id": "y", "own": "b"},
                    {"id": "m", "object": "model", "owned_by": "vllm"},
                ],
            }
            assert running.engines[0].requests[-1].header(b"authorization") == b"Bearer k"
            running.fleet.upstreams[1].standing.up = False
            _, said = await running.ask(get(b"/v1/models"))
            assert [entry["id"] for entry in json.loads(said)["data"]] == ["x", "m"]
            with refuse(running, 0):
                _, said = await running.ask(get(b"/v1/models"))
                assert [entry["id"] for entry in json.loads(said)["data"]] == ["m"]

    run(scenario())


@pytest.mark.parametrize(("status", "line"), [(401, b"HTTP/1.1 401 "), (None, b"HTTP/1.1 502 ")])
def test_no_list_at_all_is_the_engines_refusal_or_ours(status: int | None, line: bytes) -> None:
    async def script(call: Call) -> None:
        await (call.send(page(status, b"{}")) if status else asyncio.sleep(0))
        call.close()

    async def scenario() -> None:
        async with proxied(script, script, rules=NO_CHECKS) as running:
            assert (await running.ask(get(b"/v1/models")))[0].startswith(line)

    run(scenario())


def test_the_models_of_one_engine_are_passed_through() -> None:
    odd = page(200, b'{ "object":"list" , "data":[ ] }\n')

    async def scenario() -> None:
        async with proxied(answering(models=odd)) as running:
            assert (await running.ask(get(b"/v1/models")))[1] == b'{ "object":"list" , "data":[ ] }\n'
            assert len(running.exchanges) == 1

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


# Connections that an engine had closed (A19), and engines that restart (A20) ------------------------------------------


def dying(how: str, when: Callable[[Call], bool]) -> Script:
    """Answers, but closes the connection on a request for which `when` is true, without a byte."""

    async def script(call: Call) -> None:
        if not when(call):
            await call.send(page(200, b"ok"))
        elif how == "rst":
            call.reset()
        else:
            call.close()

    return script


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_stale_connection_is_tried_once_more_on_a_fresh_one(how: str) -> None:
    async def scenario() -> None:
        script = dying(how, lambda call: call.connection == 0 and call.request.body == b"second")
        async with proxied(script) as running:
            assert await asked(running, b"first", b"second") == b"okok"
            first, second = running.exchanges
            assert (first.ask.retried, second.ask.retried) == (None, "stale_connection")
            assert (second.status, second.ask.connect_ns is not None) == (200, True)
            assert [request.body for request in running.engine.requests] == [b"first", b"second", b"second"]
            page_ = json.loads((await running.ask(get(b"/imax/stats")))[1])
            assert page_["upstreams"][0]["counts"] == {"requests": 2, "retried_stale_connection": 1}
            assert page_["retried"] == {"stale_connection": 1}
            metrics = (await running.ask(get(b"/metrics")))[1]
            assert b'imaxproxy_upstream_retries_total{reason="stale_connection"} 1.0' in metrics
            assert b'imaxproxy_upstream_up{upstream="%b"} 1.0' % running.engine.url.encode() in metrics

    run(scenario())


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_once_and_never_on_a_connection_that_was_fresh(how: str) -> None:
    async def scenario() -> None:
        async with proxied(
            dying(how, lambda call: call.request.body == b"die"), named("b"), rules=NO_CHECKS
        ) as running:
            running.fleet.upstreams[1].standing.up = False
            for _ in range(2):  # on a fresh connection; then on one that was used, and on its fresh successor
                before = len(running.engine.requests)
                head, _ = await running.ask(post(b"die"))
                assert head.startswith(b"HTTP/1.1 502 ")
                tries = len(running.engine.requests) - before
                await asked(running, b"{}")
            assert tries == 2
            assert [e.ask.retried for e in running.exchanges] == [None, None, "stale_connection", None]
            assert running.engines[1].requests == []

    run(scenario())


def test_never_after_a_byte_of_the_answer() -> None:
    async def script(call: Call) -> None:
        if call.request.body == b"die":
            await call.send(b"H")
            call.close()
        else:
            await call.send(page(200, b"ok"))

    async def scenario() -> None:
        async with proxied(script) as running:
            await asked(running, b"{}")
            head, _ = await running.ask(post(b"die"))
            assert head.startswith(b"HTTP/1.1 502 ")
            assert len(running.engine.requests) == 2
            assert running.exchanges[1].ask.retried is None

    run(scenario())


def test_a_stale_connection_whose_engine_is_gone_fails_over_to_nobody() -> None:
    """The request had been sent, so another engine is no place for it."""
    running: Running

    async def script(call: Call) -> None:
        if call.request.body == b"die":
            nobody.append(refuse(running, 0))
            call.close()
        else:
            await call.send(page(200, b"ok"))

    async def scenario() -> None:
        nonlocal running
        async with proxied(script, named("b"), rules=NO_CHECKS) as running:
            running.fleet.upstreams[1].standing.up = False
            await asked(running, b"{}")
            head, said = await running.ask(post(b"die"))
            assert head.startswith(b"HTTP/1.1 502 ")
            assert json.loads(said)["error"]["code"] == "connect_refused"
            exchange = running.exchanges[-1]
            assert (exchange.error, exchange.ask.retried) == ("connect_refused", "stale_connection")
            assert running.engines[1].requests == []
            assert [upstream.outstanding for upstream in running.fleet.upstreams] == [0, 0]

    nobody: list[socket.socket] = []
    run(scenario())
    nobody[0].close()


def test_an_engine_that_restarts_costs_what_comes_in_its_gap_and_no_more() -> None:
    """A20: every connection of the pool is dead, and the first request after the gap does not notice."""

    async def scenario() -> None:
        async with proxied(answering(*whole_stream(3))) as running:
            clients = [await running.connect() for _ in range(5)]
            for client in clients:
                await client.send(post())
            for client in clients:
                await client.read_until(b"0\r\n\r\n")
            engine = running.engine
            await engine.__aexit__()
            for _ in range(3):
                assert (await running.ask(post()))[0].startswith(b"HTTP/1.1 502 ")
            await engine.__aenter__()
            for client in clients:
                await client.send(post())
                assert (await client.read_until(b"0\r\n\r\n")).startswith(b"HTTP/1.1 200")
            await until(lambda: len(running.exchanges) == 13, "all records")
            outcomes = [exchange.outcome for exchange in running.exchanges]
            assert outcomes == [Outcome.COMPLETED] * 5 + [Outcome.FAILED] * 3 + [Outcome.COMPLETED] * 5
            assert {exchange.error for exchange in running.exchanges} == {None, "connect_refused"}

    run(scenario())


def test_an_engine_that_dies_in_the_middle_of_streams_cuts_them_all() -> None:
    async def scenario() -> None:
        async with proxied(answering(STREAM_HEAD, token("a"))) as running:
            clients = [await running.connect() for _ in range(5)]
            for client in clients:
                await client.send(post())
                await client.read_until(token("a"))
            await running.engine.__aexit__()
            for client in clients:
                assert await client.read_all() == b""
            assert {exchange.outcome for exchange in running.exchanges} == {Outcome.TRUNCATED}
            assert repr(running.fleet.upstreams[0].pool).endswith("0 busy, 0 idle>")

    run(scenario())


def test_interim_answers_are_for_this_hop() -> None:
    """A21: 100 and 103 before the head, alone and together, and on a connection that is used again."""
    interim = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"]

    async def scenario() -> None:
        async with proxied(answering(*interim, b"".join(interim) + page(200, b"ok"))) as running:
            assert await asked(running, b"{}", b"{}") == b"okok"
            assert running.engine.connections == 1
            assert [exchange.status for exchange in running.exchanges] == [200, 200]

    run(scenario())
