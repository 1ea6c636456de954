import asyncio
import json
import signal
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from scripted_engine import STREAM_HEAD, Call, Script, ScriptedEngine, answering, page, sse, token, usage, whole_stream

from cli.command import Command, lines_of, until

StartEngine = Callable[[Script], ScriptedEngine]
MESSAGES: Any = [{"role": "user", "content": "one two three"}]


def get_json(url: str) -> Any:  # noqa: ANN401
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def ask_all_ways(url: str) -> None:
    """Chat and completions, streamed and whole, and the models."""
    with OpenAI(base_url=f"{url}/v1", api_key="none", timeout=20, max_retries=0) as client:
        model = client.models.list().data[0].id
        chat = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=5)
        assert chat.usage is not None
        assert chat.usage.completion_tokens == 5
        chunks = list(client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=5, stream=True))
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == chat.choices[0].message.content
        whole = client.completions.create(model=model, prompt="one two", max_tokens=5)
        parts = list(client.completions.create(model=model, prompt="one two", max_tokens=5, stream=True))
        assert "".join(part.choices[0].text for part in parts) == whole.choices[0].text


async def ask_many_at_once(url: str, count: int) -> None:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", timeout=20, max_retries=0) as client:

        async def one() -> int:
            stream = await client.chat.completions.create(
                model="fixed-5ms",
                messages=MESSAGES,
                max_tokens=8,
                stream=True,
                stream_options={"include_usage": True},
            )
            return len([event async for event in stream if event.choices and event.choices[0].delta.content])

        assert await asyncio.gather(*(one() for _ in range(count))) == [8] * count
        whole = await client.chat.completions.create(model="fixed-5ms", messages=MESSAGES, max_tokens=3)
        assert whole.choices[0].finish_reason == "length"
        assert [model.id async for model in client.models.list()] == ["fixed-5ms"]


def test_the_openai_client_works_through_it_and_every_exchange_is_measured(command: Command) -> None:
    serving = command.start("serve", "--engine", "fixed-5ms", "--simulate", "--port", 0, "--out", "run", "--json")
    url = serving.url()
    assert "(SIMULATED)" in serving.err
    assert get_json(f"{url}/health") == {"status": "ready"}
    assert get_json(f"{url}/imax/engine")["recipe"] == "fixed-5ms"
    ask_all_ways(url)
    asyncio.run(ask_many_at_once(url, 10))
    until(lambda: not get_json(f"{url}/imax/stats")["in_flight"], "the last exchange to be seen to its end")
    stats = get_json(f"{url}/imax/stats")
    assert (stats["simulated"], stats["in_flight"]) == (True, 0)
    assert (stats["requests"]["completed"], stats["requests"]["passed_through"]) == (15, 2)
    journal = lines_of(command.folder / "run" / "exchanges-0.jsonl")
    assert len(journal) == 17  # as each ended, before the end
    serving.send(signal.SIGTERM)
    done = serving.wait().check(0)
    assert (command.folder / "run" / "summary.json").exists()
    assert (done.json["ended"], done.json["simulated"]) == ("finished", True)
    assert (done.json["requests"]["sent"], done.json["requests"]["completed"]) == (15, 15)
    # Two streams did not ask for usage: their tokens are not known.
    assert done.json["tokens"]["uncounted_requests"] == 2
    assert (done.json["tokens"]["output"], done.json["itl_ms"]["count"]) == (5 * 2 + 8 * 10 + 3, 7 * 10)


@pytest.mark.parametrize("workers", [1, 2])
def test_usage_is_asked_for_on_a_clients_behalf(command: Command, start_engine: StartEngine, workers: int) -> None:
    engine = start_engine(answering(*whole_stream(3)))
    ways = ("--ask-usage", "continuous", "--workers", workers)
    serving = command.start("serve", "--upstream", engine.url, "--port", 0, "--out", "run", "--json", *ways)
    with OpenAI(base_url=f"{serving.url()}/v1", api_key="none", timeout=20, max_retries=0) as client:
        chunks = list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    assert [chunk.choices[0].delta.content for chunk in chunks] == [" t0", " t1", " end"]
    asked = json.loads(engine.requests[-1].body)
    assert asked["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}
    serving.send(signal.SIGTERM)
    done = serving.wait().check(0)
    assert (done.json["tokens"]["output"], done.json["tokens"]["counted_by"]) == (3, "usage")
    assert json.loads((command.folder / "run" / "manifest.json").read_text())["settings"]["ask_usage"] == "continuous"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_streams_in_flight_end(command: Command, start_engine: StartEngine, number: int) -> None:
    go_on = asyncio.Event()

    async def script(call: Call) -> None:
        if call.request.line.startswith(b"GET"):
            await call.send(page(404, b"{}"))
            return
        await call.send(STREAM_HEAD, token("a"))
        await go_on.wait()
        await call.send(*whole_stream(2)[1:])

    engine = start_engine(script)
    serving = command.start("serve", "--upstream", engine.url, "--port", 0, "--out", "run")
    url = serving.url()
    with OpenAI(base_url=f"{url}/v1", api_key="none", timeout=20) as client:
        stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert next(iter(stream)).choices[0].delta.content == "a"
        serving.send(number, group=True)
        serving.says("streams in flight may end")
        engine.loop.call_soon_threadsafe(go_on.set)
        assert "".join(event.choices[0].delta.content for event in stream if event.choices) == " t0 end"
    done = serving.wait().check(0)
    assert "1 sent, 1 completed" in done.out
    (exchange,) = [row for row in lines_of(command.folder / "run" / "exchanges-0.jsonl") if row.get("dialect")]
    assert exchange["outcome"] == "completed"


@pytest.mark.parametrize("how", ["second signal", "timeout"])
def test_streams_that_do_not_end_are_dropped_and_recorded(
    command: Command, start_engine: StartEngine, how: str
) -> None:
    engine = start_engine(answering(STREAM_HEAD, token("a")))
    drain = ["--drain-timeout", "0.1"] if how == "timeout" else []
    serving = command.start("serve", "--upstream", engine.url, "--port", 0, "--out", "run", "--json", *drain)
    with OpenAI(base_url=f"{serving.url()}/v1", api_key="none", timeout=20) as client:
        stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        next(iter(stream))
        serving.send(signal.SIGTERM)
        serving.says("may end")
        if how == "second signal":
            serving.send(signal.SIGTERM)
        done = serving.wait().check(1)
        stream.close()
    assert done.json["ended"] == "dropped streams"
    assert done.json["requests"]["by_error"] == {"stopped": 1}


def test_a_killed_proxy_loses_nothing_that_had_ended(command: Command, start_engine: StartEngine) -> None:
    engine = start_engine(answering(*whole_stream(3)))
    serving = command.start("serve", "--upstream", engine.url, "--port", 0, "--out", "run")
    with OpenAI(base_url=f"{serving.url()}/v1", api_key="none", timeout=20) as client:
        for _ in range(5):
            assert list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    until(lambda: len(lines_of(command.folder / "run" / "exchanges-0.jsonl")) == 5, "the journal")
    serving.send(signal.SIGKILL)
    assert serving.wait().code == -signal.SIGKILL
    assert not (command.folder / "run" / "summary.json").exists()
    summary = command.run("report", "run", "--json").check(0).json
    assert (summary["ended"], summary["requests"]["completed"], summary["tokens"]["output"]) == ("killed", 5, 15)
    assert json.loads((command.folder / "run" / "summary.json").read_bytes())["requests"] == summary["requests"]


def test_a_killed_proxy_leaves_no_engine_behind(command: Command) -> None:
    serving = command.start("serve", "--engine", "fixed-5ms", "--simulate", "--port", 0, "--out", "run")
    serving.url()
    assert len(command.family()) == 2
    serving.send(signal.SIGKILL)
    serving.wait()
    until(lambda: not command.family(), "the engine to end")


def test_a_port_in_use_is_one_line_and_spoils_no_run_directory(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for _ in range(2):  # the second time the run directory would be in the way
            done = command.run("serve", "--upstream", "http://127.0.0.1:9", "--port", port, "--out", "run")
            assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.complaint()
    assert not (command.folder / "run").exists()


def test_an_engine_that_is_down_is_no_reason_not_to_start(command: Command) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        upstream = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        serving = command.start("serve", "--upstream", upstream, "--port", 0, "--out", "run", "--json")
        url = serving.url()
        with OpenAI(base_url=f"{url}/v1", api_key="none", timeout=20) as client, pytest.raises(Exception, match="502"):
            client.chat.completions.create(model="m", messages=MESSAGES)
        serving.send(signal.SIGTERM)
        done = serving.wait().check(0)
    assert done.json["requests"]["by_error"] == {"connect_refused": 1}  # once: the client was told not to retry


def test_several_engines_one_of_them_down(command: Command, start_engine: StartEngine) -> None:
    engine = start_engine(answering(*whole_stream(2)))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        down = f"down=http://127.0.0.1:{nobody.getsockname()[1]}"
        flags = ["--health-interval", "0.05", "--model-map", "public=up:m", "--request-timeout", "20"]
        upstreams = ["--upstream", down, "--upstream", f"up={engine.url}"]
        serving = command.start("serve", *upstreams, *flags, "--port", 0, "--out", "run", "--json")
        url = serving.url()
        serving.says("upstream down ejected after 3 failures: connect_refused")
        with OpenAI(base_url=f"{url}/v1", api_key="none", timeout=20, max_retries=0) as client:
            assert [model.id for model in client.models.list()] == ["public", "m"]
            for _ in range(3):
                assert list(client.chat.completions.create(model="public", messages=MESSAGES, stream=True))
        bodies = [json.loads(request.body) for request in engine.requests if request.line.startswith(b"POST")]
        assert {body["model"] for body in bodies} == {"m"}
        assert [each["up"] for each in get_json(f"{url}/imax/stats")["upstreams"]] == [False, True]
        serving.send(signal.SIGTERM)
        assert serving.wait().check(0).json["requests"]["completed"] == 3
    settings = json.loads((command.folder / "run" / "manifest.json").read_bytes())["settings"]
    assert settings["upstreams"]["up"] == engine.url
    assert serving.err.count("ejected") == 1


def test_an_open_address_is_warned_of(command: Command) -> None:
    serving = command.start("serve", "--upstream", "http://127.0.0.1:9", "--host", "0.0.0.0", "--port", 0, "--out", "r")
    serving.says("open to the network")


def test_ipv6_is_written_as_a_url(command: Command) -> None:
    serving = command.start("serve", "--upstream", "http://[::1]:9", "--host", "::1", "--port", 0, "--out", "run")
    assert serving.url().startswith("http://[::1]:")
    assert "-> http://[::1]:9;" in serving.err


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ([], "give either --upstream URL, an engine that runs, or --engine RECIPE, one to launch or --simulate"),
        (["--upstream", "http://e", "--engine", "fixed-5ms", "--simulate"], "give either --upstream URL"),
        (["--upstream", "http://e", "--simulate"], "--simulate goes with --engine RECIPE"),
        (["--engine", "fixed-5ms"], "models no hardware, so there is nothing to launch: add --simulate"),
        (["--engine", "no-such", "--simulate"], "no-such"),
        (["--upstream", "localhost:8000"], "--upstream must be like http://127.0.0.1:8000/v1"),
        (["--upstream", "http://e:99999"], "--upstream 'http://e:99999' is not a URL"),
        (["--upstream", "http://user:sk@e"], "may hold a scheme, host, port and path only"),
        (["--upstream", "http://e", "--gpu", "b200"], "--gpu KIND and --gpus COUNT go together"),
        (["--upstream", "http://e", "--gpu", "abacus", "--gpus", "1"], "abacus"),
        (["--engine", "fixed-5ms", "--simulate", "--gpu", "b200", "--gpus", "1"], "a recipe names its own"),
        (["--upstream", "http://e", "--port", "70000"], "70000"),
        (["--upstream", "http://e", "--drain-timeout", "-1"], "not a number of seconds above 0"),
        (["--upstream", "http://e", "--host", "no such host"], "choose --port or --host"),
        (["--upstream", "http://e", "--wat"], "No such option"),
        (["--upstream", "http://e", "--upstream", "http://e/v1"], "two --upstream have the same name"),
        (["--upstream", "a=http://e", "--upstream", "a=http://f"], "two --upstream have the same name"),
        (["--upstream", "a=http://e", "--upstream", "b=http://e/v1"], "two --upstream are the same engine"),
        (
            ["--upstream", "http://e", "--upstream-key-env", "HOME", "--upstream-key-env", "PATH"],
            "2 upstream keys for 1",
        ),
        (["--upstream", "a=e:8000"], "--upstream must be like http://127.0.0.1:8000/v1, not 'e:8000'"),
        (["--upstream", "http://e", "--route", "random"], "'random' is not one of"),
        (["--upstream", "http://e", "--model-map", "gpt"], "--model-map must be like"),
        (["--upstream", "http://e", "--session-header", "a b"], "'a b' is no header's name"),
        (["--upstream", "http://e", "--health-path", "health"], "--health-path must begin with /"),
        (["--upstream", "http://e", "--connect-timeout", "0"], "not a number of seconds above 0"),
        (["--upstream", "http://e", "--idle-timeout", "-1"], "not a number of seconds above 0"),
    ],
)
def test_wrong_usage_is_one_line(command: Command, flags: list[str], complaint: str) -> None:
    assert complaint in command.run("serve", *flags, "--out", "run").complaint()
    assert not (command.folder / "run").exists()


def test_a_directory_that_cannot_be_written(command: Command) -> None:
    (command.folder / "file").write_text("")
    done = command.run("serve", "--upstream", "http://127.0.0.1:9", "--port", 0, "--out", "file")
    assert "--out file cannot be written" in done.complaint()


def test_usage_of_a_stream_is_counted_by_the_engine(
    command: Command, start_engine: StartEngine, tmp_path: Path
) -> None:
    """Events are not tokens: three here, six there."""
    events = [token("a"), token("b"), token("c", "stop"), usage(6), sse(b"[DONE]") + b"0\r\n\r\n"]
    engine = start_engine(answering(STREAM_HEAD, *events))
    serving = command.start("serve", "--upstream", f"{engine.url}/v1/", "--port", 0, "--out", "run", "--json")
    with OpenAI(base_url=f"{serving.url()}/v1", api_key="sk-CANARY", timeout=20) as client:
        assert len(list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))) == 4
    serving.send(signal.SIGTERM)
    done = serving.wait().check(0)
    counts = [done.json[metric]["count"] for metric in ("event_gap_ms", "itl_ms")]
    assert (done.json["tokens"]["output"], counts) == (6, [2, 4])
    assert engine.requests[-1].line == b"POST /v1/chat/completions HTTP/1.1"
    assert not [path for path in (tmp_path / "run").iterdir() if b"CANARY" in path.read_bytes()]


def test_power_cost_and_slo_accrue_live_and_stand_in_the_summary(command: Command) -> None:
    """With the model of a B200 for boards: its counter goes the way that any source's goes."""
    serving = command.start(
        "serve", "--engine", "gpt-oss-120b-b200-vllm", "--simulate", "--power", "sim", "--slo", "ttft_ms<60000",
        "--port", 0, "--out", "run", "--json",
    )  # fmt: skip
    url = serving.url()

    def powered() -> Any:  # noqa: ANN401
        snapshot = get_json(f"{url}/imax/live?once=1")
        done = snapshot["run"]["requests"]["completed"] == 3
        return snapshot if done and snapshot["power"] and snapshot["power"]["energy_j"] else None

    with OpenAI(base_url=f"{url}/v1", api_key="none", timeout=20, max_retries=0) as client:
        for _ in range(3):
            client.chat.completions.create(model=client.models.list().data[0].id, messages=MESSAGES, max_tokens=5)
    until(powered, "energy to be told")
    snapshot = powered()
    power, cost = snapshot["power"], snapshot["cost"]
    assert (power["source"], power["simulated"], power["boards"]) == ("sim", True, 1)
    assert 100 < power["watts"] / power["boards"] < 1000
    assert power["j_per_output_token"] == pytest.approx(power["energy_j"] / 15)
    assert cost["usd"] > 0
    assert "b200" in cost["price"]
    assert snapshot["slo"] == {
        "text": "ttft_ms<60000@p99",
        "attainment": None if not snapshot["slo"]["of"] else 1.0,
        "goodput_requests_per_s": snapshot["slo"]["goodput_requests_per_s"],
        "met": snapshot["slo"]["of"],
        "of": snapshot["slo"]["of"],
    }
    serving.send(signal.SIGTERM)
    done = serving.wait().check(0)
    assert done.json["slo"]["objectives"][0]["objective"] == "ttft_ms<60000@p99"
    assert done.json["energy"]["simulated"] is True
    assert not (command.folder / "run" / "power-now.json").exists()
