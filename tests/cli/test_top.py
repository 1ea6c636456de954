"""`imaxproxy top` and the commands' screen, on real terminals before real proxies."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from live.samples import row
from live.screen.feeds import Handler, serving
from live.screen.ptys import LEFT, OnTerminal, on_terminal
from scripted_engine import STREAM_HEAD, Call, Script, ScriptedEngine, sse, token, usage

from cli.command import Command, write_trace

StartEngine = Callable[[Script], ScriptedEngine]


async def quick(call: Call) -> None:
    await call.send(STREAM_HEAD, token(" a"), token(" b", "stop"), usage(2), sse(b"[DONE]") + b"0\r\n\r\n")


def endless(asked: Handler) -> None:
    """A feed that says one thing, and then waits until it is left."""
    asked.events(row(1, simulated=False), row(2, simulated=False))
    asked.rfile.read()


def test_one_look_as_json_and_as_text(command: Command, start_engine: StartEngine) -> None:
    proxy = command.start("serve", "--upstream", start_engine(quick).url, "--port", 0)
    url = proxy.url()
    told = command.run("top", url, "--once", "--json").check(0).json
    assert told["schema"] == "imaxproxy.live/1"
    assert told["source"] == "serve"
    text = command.run("top", f"{url}/imax/", "--once").check(0).out
    assert "Throughput" in text
    assert "In flight" in text
    proxy.send(signal.SIGTERM)
    proxy.wait().check(0)


def test_a_line_a_second_where_there_is_no_terminal(command: Command) -> None:
    with serving(lambda asked: asked.events(row(1), row(2))) as server:
        url = f"127.0.0.1:{server.port}"
        lines = command.run("top", url).check(0).out.splitlines()
        objects = command.run("top", url, "--json").check(0).out.splitlines()
    assert len(lines) == 2
    assert "SIMULATED" in lines[0]
    assert "output tok/s" in lines[0]
    assert [json.loads(line) for line in objects] == [row(1), row(2)]


def test_nobody_there_is_one_line(command: Command) -> None:
    with serving(endless) as server:
        port = server.port
    for more in ([], ["--once"], ["--json"]):
        done = command.run("top", f"http://127.0.0.1:{port}", *more).check(1)
        assert done.err == f"imaxproxy: no answer from http://127.0.0.1:{port}: Connection refused\n"


@pytest.mark.parametrize("url", ["ftp://x", "http://127.0.0.1:0", "http://", "http://a:b"])
def test_what_is_no_url_is_said(command: Command, url: str) -> None:
    assert "URL" in command.run("top", url).complaint()


def test_a_key_comes_from_the_environment_and_stands_nowhere(command: Command, start_engine: StartEngine) -> None:
    command.environment["IMAXPROXY_KEYS"] = "alice:sk-alice-of-top"
    proxy = command.start("serve", "--upstream", start_engine(quick).url, "--port", 0)
    url = proxy.url()
    assert "asks for a key: give --key, or set IMAXPROXY_KEY" in command.run("top", url, "--once").check(1).err
    command.environment["IMAXPROXY_KEY"] = "sk-alice-of-top"
    told = command.run("top", url, "--once", "--json").check(0)
    assert "sk-alice" not in told.out + told.err
    proxy.send(signal.SIGTERM)
    proxy.wait().check(0)


@pytest.mark.parametrize("leaves", ["q", "ctrl-c", "term"])
def test_the_terminal_is_as_it_was(tmp_path: Path, leaves: str) -> None:
    with serving(endless) as server, on_terminal(tmp_path, "top", f"http://127.0.0.1:{server.port}") as shown:
        shown.until(b"Throughput")
        assert not shown.is_as_before()
        if leaves == "term":
            shown.signal(signal.SIGTERM)
        else:
            shown.press(b"q" if leaves == "q" else b"\x03")
        assert shown.wait() == 0
        assert LEFT in shown.written
        assert b"Traceback" not in shown.written
        assert shown.is_as_before()


def test_keys_and_another_size(tmp_path: Path) -> None:
    with serving(endless) as server, on_terminal(tmp_path, "top", f"http://127.0.0.1:{server.port}") as shown:
        at = shown.until(b"In flight")
        shown.press(b"3")
        at = shown.until(b"By upstream", since=at)
        shown.press(b"?")
        at = shown.until(b"freeze a window", since=at)
        shown.press(b"\x1b")
        at = shown.until(b"Throughput", since=at)
        shown.resize(120, 40)
        at = shown.until(b"green to p50", since=at)
        shown.press(b" ")
        shown.until(b"paused at", since=at)
        shown.press(b"q")
        assert shown.wait() == 0


def test_a_proxy_that_dies_and_comes_back(tmp_path: Path) -> None:
    with serving(endless) as server, on_terminal(tmp_path, "top", f"http://127.0.0.1:{server.port}") as shown:
        shown.until(b"live")
        server.answer = lambda asked: asked.head(503, "application/json")
        server.let_go()
        at = shown.until(b"answers 503")
        server.answer = endless
        shown.until(b"live", since=at)
        shown.press(b"q")
        assert shown.wait() == 0


def test_before_there_is_a_proxy_it_waits_and_says_so(tmp_path: Path) -> None:
    with serving(endless) as server:
        port = server.port
    with on_terminal(tmp_path, "top", f"http://127.0.0.1:{port}") as shown:
        shown.until(b"Connection refused")
        shown.press(b"q")
        assert shown.wait() == 0


def _table_follows(shown: OnTerminal) -> None:
    """The screen has gone, what was said meanwhile stands there, and then the table."""
    after = shown.written[shown.written.rindex(LEFT) :]
    assert b"journal in" in after
    assert b"what users felt" in after
    assert b"Traceback" not in shown.written
    assert shown.is_as_before()


def test_serve_shows_itself_and_ctrl_c_ends_in_the_table(tmp_path: Path, start_engine: StartEngine) -> None:
    keys = {"IMAXPROXY_KEYS": "alice:sk-alice-of-serve"}
    upstream = start_engine(quick).url
    with on_terminal(tmp_path, "serve", "--upstream", upstream, "--port", 0, "--out", "run", **keys) as shown:
        shown.until(b"live")
        shown.until(b"journal in")
        shown.press(b"\x03")
        assert shown.wait() == 0
        _table_follows(shown)


def test_leaving_the_screen_leaves_the_proxy(tmp_path: Path, start_engine: StartEngine) -> None:
    with on_terminal(tmp_path, "serve", "--upstream", start_engine(quick).url, "--port", 0, "--out", "run") as shown:
        shown.until(b"live")
        shown.press(b"q")
        at = shown.until(LEFT)
        shown.until(b"journal in", since=at)
        assert b"ended:" not in shown.written
        shown.signal(signal.SIGINT)
        assert shown.wait() == 0
        assert shown.is_as_before()


def test_a_killed_command_leaves_the_terminal_right(tmp_path: Path, start_engine: StartEngine) -> None:
    with on_terminal(tmp_path, "serve", "--upstream", start_engine(quick).url, "--port", 0, "--out", "run") as shown:
        shown.until(b"live")
        shown.signal(signal.SIGKILL)
        shown.until(LEFT)
        shown.until(shown.is_as_before)


def test_replay_shows_itself_and_prints_its_table(tmp_path: Path, start_engine: StartEngine) -> None:
    trace = write_trace(tmp_path / "trace.jsonl", 150)
    flags = ["--url", f"{start_engine(quick).url}/v1", "--model", "m", "--calibrate", "never", "--out", "run"]
    with on_terminal(tmp_path, "replay", trace, *flags) as shown:
        shown.until(b"of 150 requests")
        assert shown.wait() == 0
        after = shown.written[shown.written.rindex(LEFT) :]
        assert b"what users felt" in after
        assert shown.is_as_before()


def test_no_screen_where_it_is_not_wanted(tmp_path: Path, start_engine: StartEngine) -> None:
    trace = write_trace(tmp_path / "trace.jsonl", 3)
    flags = ["--url", f"{start_engine(quick).url}/v1", "--model", "m", "--calibrate", "never", "--out", "run"]
    with on_terminal(tmp_path, "replay", trace, *flags, "--no-screen") as shown:
        assert shown.wait() == 0
        assert LEFT not in shown.written
        assert b"what users felt" in shown.written


def test_a_screen_needs_a_terminal(command: Command, trace: Path) -> None:
    said = command.run("replay", trace, "--url", "http://127.0.0.1:9/v1", "--model", "m", "--screen").complaint()
    assert said.startswith("--screen needs a terminal")
