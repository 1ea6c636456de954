"""Real engines behind the proxy, started by `imaxproxy engine launch` from the shipped recipes."""

import http.client
import json
import os
import re
import signal
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from cli.command import Started, lines_of, until, write_trace

from engines.conftest import RECIPES, START_S, Running, command_in, environment_of, make_model

pytestmark = pytest.mark.engines

_OF_THE_MOMENT = re.compile(
    rb'"(id|created|system_fingerprint)":("[^"]*"|\d+)|"(metrics|timings|nvext)":\{[^{}]*(\{[^{}]*\}[^{}]*)*\}'
)
"""What differs from one answer to the next: ids, stamps, the engine's own times."""
_MOST_PAIRS = 10
_TEXT = re.compile(rb'"content":"((?:[^"\\]|\\.)*)"')


@pytest.fixture(scope="module")
def proxy(running: Running) -> Iterator[Started]:
    """Before the engine, as long as the tests of it."""
    started = running.command.start("serve", "--upstream", running.url, "--port", 0, "--out", f"serve-{running.name}")
    yield started
    started.send(signal.SIGINT)
    started.wait(60.0)


def post(host: str, port: int, body: dict[str, Any]) -> tuple[int, bytes]:
    """Status, and the answer's bytes with the framing taken off."""
    connection = http.client.HTTPConnection(host, port, timeout=120)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def port_of(proxy: Started) -> int:
    return int(proxy.url().rpartition(":")[2])


def question(running: Running, tokens: int, **more: object) -> dict[str, Any]:
    messages = [{"role": "user", "content": "river window copper market"}]
    return {"model": running.model, "messages": messages, "max_tokens": tokens, "temperature": 0, **more}


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_is_the_same_through_the_proxy(running: Running, proxy: Started, *, stream: bool) -> None:
    """Byte for byte, but for ids, stamps, the engine's own times, and how its text is cut into events.

    That cut is the moment's: vLLM puts two tokens into an event when it is late. A tie of two tokens may fall either
    way when a prefix is cached, so each is asked until both have given one same answer.
    """
    body = question(running, 24, stream=stream)
    direct: set[tuple[bytes, ...]] = set()
    through: set[tuple[bytes, ...]] = set()
    for _ in range(_MOST_PAIRS):
        for answers, (host, port) in ((direct, running.host_port), (through, ("127.0.0.1", port_of(proxy)))):
            status, answer = post(host, port, body)
            assert status == 200
            assert len(answer) > 100
            answers.add(lasting(answer, running))
        if direct & through:
            return
    raise AssertionError(f"in {_MOST_PAIRS} answers each none was the same: {direct} {through}")


def lasting(answer: bytes, running: Running) -> tuple[bytes, ...]:
    """What must not differ: all events without their text, equal neighbours as one; then the text, as one."""
    kept = _OF_THE_MOMENT.sub(b"", answer)
    events = [event for event, _ in groupby(_TEXT.sub(b"", kept).split(b"\n\n"))]
    text = b"" if running.name == "dynamo" else b"".join(_TEXT.findall(kept))  # its mocker draws tokens anew each time
    return (*events, text)


def test_an_error_is_the_same_through_the_proxy(running: Running, proxy: Started) -> None:
    body = question(running, 4) | {"temperature": -1}
    status, direct = post(*running.host_port, body)
    through_status, through = post("127.0.0.1", port_of(proxy), body)
    assert through_status == status
    assert _OF_THE_MOMENT.sub(b"", through) == _OF_THE_MOMENT.sub(b"", direct)


def test_a_replay_gets_every_answer_and_counts_as_the_engine_does(running: Running, tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "trace.jsonl", 8, input_length=40, output_length=16)
    out = f"replay-{running.name}"
    arguments = ("--url", running.url, "--model", running.model, "--concurrency", 4, "--engine-metrics")
    done = running.command.start("replay", trace, *arguments, "--out", out, "--json").wait(120.0)
    summary = done.check(0).json
    assert summary["requests"]["completed"] == 8
    assert summary["tokens"]["counted_by"] in ("usage", "continuous_usage")
    assert 8 <= summary["tokens"]["output"] <= 8 * 16
    if running.name != "transformers":  # which takes no length to hold, and has no page
        assert summary["tokens"]["output"] == 8 * 16
        (view,) = summary["engine"]["metrics"]
        assert view["engine"] == running.name
        assert view["samples"] >= 2
        assert view["output_tokens"] >= 8 * 16


def test_a_search_finds_how_many_at_once_a_real_engine_carries(running: Running, tmp_path: Path) -> None:
    """Up to --to where all is met; none where a thousandth of the shortest TTFT is asked for."""
    trace = write_trace(tmp_path / "trace.jsonl", 12, input_length=40, output_length=8)
    where = ("--url", running.url, "--model", running.model, "--by", "concurrency", "--to", 4)
    search, out = ("search", trace, *where, "--json"), running.command.folder / f"search-{running.name}"
    generous = running.command.start(*search, "--slo", "ttft_ms<60000@p90", "--out", out)
    found = generous.wait(180.0).check(0).json
    assert (found["highest_met"], found["lowest_missed"], found["simulated"]) == (4, None, False)
    assert [probe["load"] for probe in found["probes"]] == [1, 2, 4]
    for probe in found["probes"]:
        summary = json.loads((out / probe["run"] / "summary.json").read_text())
        assert summary["requests"]["completed"] == 12
    ttft_ms = summary["ttft_ms"]["min"]
    strict = running.command.start(*search, "--slo", f"ttft_ms<{ttft_ms / 1000:.6f}", "--out", f"none-{running.name}")
    none = strict.wait(120.0).check(1).json
    assert (none["highest_met"], none["lowest_missed"], len(none["probes"])) == (None, 1, 1)


def test_vllms_own_times_stand_beside_ours(running: Running, tmp_path: Path) -> None:
    if running.name != "vllm":
        pytest.skip("only vLLM tells its times of each request")
    trace = write_trace(tmp_path / "trace.jsonl", 8, input_length=40, output_length=16)
    arguments = ("--url", running.url, "--concurrency", 1, "--out", "timed", "--json")
    timing = running.command.start("replay", trace, *arguments).wait(120.0).check(0).json["engine"]["timing"]
    assert timing["ttft_over_engines"]["count"] == timing["tpot_over_engines"]["count"] == 8
    assert timing["ttft_over_engines"]["min_ms"] > 0  # we are behind its socket, and on the same clock


def test_an_abort_reaches_the_engine(running: Running, proxy: Started) -> None:
    """The client leaves in mid-stream: the journal says so, and the engine goes on to serve."""
    journal = running.command.folder / f"serve-{running.name}" / "exchanges-0.jsonl"
    connection = http.client.HTTPConnection("127.0.0.1", port_of(proxy), timeout=60)
    body = question(running, 2000, stream=True)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200
    answer.readline()
    answer.close()
    connection.close()
    until(lambda: any(row["outcome"] == "aborted" for row in lines_of(journal)), "the abort in the journal")
    assert post("127.0.0.1", port_of(proxy), question(running, 4))[0] == 200


_PARTS = {"vllm": b"VLLM::EngineCore", "sglang": b"sglang::scheduler"}
"""Inner processes without which an engine does not serve."""


def test_a_crash_is_noticed_and_nothing_is_left(running: Running, proxy: Started) -> None:
    """The last test of an engine: kill -9 of its inner process where it has one, else of the one that serves."""
    part = _PARTS.get(running.name)
    family = running.command.family()
    engine = _inner(family, part) if part else [pid for pid in family if _serves(pid, running.host_port[1])]
    assert engine
    log = running.command.folder / "engine" / "launch.log"
    os.kill(engine[0], signal.SIGKILL)
    until(lambda: "the engine died: " in log.read_text(), "the keeper to hear of it", deadline_s=60.0)
    if part:
        assert f"server lost its {part.decode()}" in log.read_text()
    status, said = post("127.0.0.1", port_of(proxy), question(running, 4))
    assert status in (500, 502), (
        said
    )  # ours; or, until all of it is gone, what is left of the engine answers for itself
    until(lambda: "no engine runs" in running.command.run("engine", "stop").err, "its keeper to end", deadline_s=60.0)
    proxy_pid = proxy.process.pid
    until(lambda: running.command.family() == [proxy_pid], "all of the engine to end")


def _inner(family: list[int], part: bytes) -> list[int]:
    """Children of the family that are called so: a title is written over the environment that tells the others."""
    every = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [pid for pid in every if part in _command_line(pid) and _parent(pid) in family]


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except OSError:
        return None


def _serves(pid: int, port: int) -> bool:
    """The engine's own process that listens, not its warden or keeper."""
    words = _command_line(pid).split(b"\0")
    named = [b"warden.py" in word or b"imaxproxy.cli.main" in word for word in words]
    return str(port).encode() in words and not any(named)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("engine", list(RECIPES))
def test_a_proxy_with_its_engine_drains_before_it_stops_it(engine: str, tmp_path: Path) -> None:
    """`serve --engine`: Ctrl-C in mid-stream, and the stream still comes to its own end."""
    environment = environment_of(engine)
    make_model(environment, tmp_path)
    command = command_in(tmp_path)
    try:
        started = command.start(
            "serve", "--engine", RECIPES[engine], "--engine-env", environment, "--port", 0, "--out", "run"
        )
        url = started.says(r"imaxproxy: (http://\S+)/v1 ->", START_S)[1]
        model = json.loads((tmp_path / "run" / "manifest.json").read_text())["engine"]["served_name"]
        connection = http.client.HTTPConnection("127.0.0.1", int(url.rpartition(":")[2]), timeout=60)
        body = {"model": model, "messages": [{"role": "user", "content": "river"}], "max_tokens": 200, "stream": True}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.readline()
        started.send(signal.SIGINT, group=True)
        rest = answer.read()
        connection.close()
        assert b'"finish_reason":"' in rest.replace(b" ", b"")
        started.wait(60.0).check(0)
        (row,) = [row for row in lines_of(tmp_path / "run" / "exchanges-0.jsonl") if row["streamed"]]
        assert row["outcome"] == "completed"
        assert command.family() == []
    finally:
        command.close()
