"""Several engines and their models: who is asked for which, and the list of all."""

import asyncio
import json

import pytest
from on_loop import run, until
from scripted_engine import Call, answering, page

from imaxproxy.proxy import FleetRules, HealthRules, ModelMap
from proxy.fleets import NO_CHECKS, asked, body, named, refuse
from proxy.running import get, proxied


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
