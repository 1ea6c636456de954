"""`engine launch`, `logs`, `stop`, and commands that launch: over real processes, with an engine of ours."""

import json
import os
import re
import signal
import urllib.request
from pathlib import Path

import pytest

from cli.command import Command, Started, until
from cli.fake_environment import fake_environment

RECIPE = "tiny-cpu-vllm"
LOGS = Path(__file__).parents[1] / "data" / "launch"


@pytest.fixture
def launching(command: Command, tmp_path: Path) -> Command:
    """Commands whose runtime folder is their own."""
    command.environment["XDG_RUNTIME_DIR"] = str(tmp_path)
    return command


def launch(command: Command, environment: Path, *more: object) -> Started:
    return command.start("engine", "launch", RECIPE, "--engine-env", environment, "--engine-port", free(), *more)


def free() -> int:
    from imaxproxy.launch import free_port

    return free_port("127.0.0.1")


def engine_pid(command: Command) -> int:
    """Of the engine's process, among all that came of the commands."""
    (pid,) = [pid for pid in command.family() if b"--served-model-name" in Path(f"/proc/{pid}/cmdline").read_bytes()
              and b"warden.py" not in Path(f"/proc/{pid}/cmdline").read_bytes()]  # fmt: skip
    return pid


def test_it_is_kept_until_ctrl_c(launching: Command, tmp_path: Path) -> None:
    started = launch(launching, fake_environment(tmp_path, "--log", LOGS / "vllm-start.log"))
    url = started.says(r"tiny at (http://\S+)/v1; logs in")[1]
    with urllib.request.urlopen(f"{url}/v1/models", timeout=10) as answer:
        assert json.load(answer)["data"][0]["id"] == "tiny"
    assert "% serving" in started.err
    started.send(signal.SIGINT, group=True)
    assert "stopping the engine" in started.wait().check(0).err
    assert launching.family() == []


def test_detached_it_is_found_read_and_stopped(launching: Command, tmp_path: Path) -> None:
    environment = fake_environment(tmp_path, "--log", LOGS / "vllm-start.log")
    done = launch(launching, environment, "--detach", "--json", "--name", "mine").wait().check(0)
    assert (done.json["name"], done.json["state"], done.json["model"]) == ("mine", "ready", "tiny")
    assert launching.run("engine", "launch", RECIPE, "--name", "mine").complaint().startswith("an engine 'mine' runs")
    said = launching.run("engine", "logs", "-n", 3).check(0).out.splitlines()
    assert len(said) == 3
    assert "Application startup complete." in said[-1]
    assert "mine is stopped" in launching.run("engine", "stop").check(0).err
    assert launching.family() == []
    assert "no engine runs" in launching.run("engine", "stop").complaint()


@pytest.mark.parametrize("flags", [(), ("--detach",)])
def test_an_early_death_is_told_with_its_cause(launching: Command, tmp_path: Path, flags: tuple[str, ...]) -> None:
    environment = fake_environment(tmp_path, "--log", LOGS / "vllm-fail-badmodel.log", "--exit", 1)
    done = launch(launching, environment, *flags).wait().check(1)
    last = done.err.splitlines()[-1]
    assert "vllm of recipe tiny-cpu-vllm server ended with code 1 before it was ready. It said: " in last
    assert "Repo id must be in the form" in last
    assert "To mend it: " in last
    assert launching.family() == []


def test_a_flag_that_the_engine_refuses_is_bad_usage(launching: Command, tmp_path: Path) -> None:
    environment = fake_environment(tmp_path, "--log", LOGS / "vllm-fail-badflag.log", "--exit", 2)
    assert "unrecognized arguments: --no-such-flag" in launch(launching, environment).wait().check(2).err


def test_its_death_ends_the_command(launching: Command, tmp_path: Path) -> None:
    started = launch(launching, fake_environment(tmp_path))
    started.says("Ctrl-C to stop")
    os.kill(engine_pid(launching), signal.SIGKILL)
    assert "died: server was killed by SIGKILL" in started.wait().check(1).err


def test_nothing_is_left_when_the_command_is_killed(launching: Command, tmp_path: Path) -> None:
    started = launch(launching, fake_environment(tmp_path, "--child"))
    started.says("Ctrl-C to stop")
    started.kill()
    until(lambda: not launching.family(), "the engine and its child to end")
    assert "no engine runs" in launching.run("engine", "stop").complaint()


def test_ctrl_c_while_it_starts_leaves_nothing(launching: Command, tmp_path: Path) -> None:
    started = launch(launching, fake_environment(tmp_path, "--silent", "--log", LOGS / "sglang-start.log"))
    started.says("starting vllm")
    until(lambda: any(b"served" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in launching.family()), "a start")
    started.send(signal.SIGINT, group=True)
    assert started.wait().code == 130
    assert launching.family() == []


def test_a_replay_launches_measures_and_stops(launching: Command, tmp_path: Path, trace: Path) -> None:
    environment = fake_environment(tmp_path, "--metrics", LOGS / "vllm-metrics.txt")
    arguments = ("--engine", RECIPE, "--engine-env", environment, "--concurrency", 2, "--out", "run", "--json")
    summary = launching.run("replay", trace, *arguments).check(0).json
    assert summary["requests"]["completed"] == 10
    engine = summary["engine"]
    assert (engine["recipe"], engine["simulated"], engine["gpu"]) == (RECIPE, False, None)
    assert engine["start"]["ready_s"] > 0
    assert engine["metrics"][0]["engine"] == "vllm"
    assert (tmp_path / "run" / "server.log").exists()
    assert launching.family() == []


def test_a_replay_whose_engine_dies_says_so_and_keeps_what_it_saw(
    launching: Command, tmp_path: Path, trace: Path
) -> None:
    environment = fake_environment(tmp_path, "--token-s", 0.01)
    arguments = ("--engine", RECIPE, "--engine-env", environment, "--concurrency", 1, "--loop", "--duration", 60)
    started = launching.start("replay", trace, *arguments, "--out", "run")
    started.says("is ready")
    journal = tmp_path / "run" / "exchanges-0.jsonl"
    until(lambda: journal.exists() and journal.read_bytes().count(b"\n"), "a request to end")
    os.kill(engine_pid(launching), signal.SIGKILL)
    done = started.wait().check(1)
    assert "the engine died: server was killed by SIGKILL" in done.err
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["ended"] == "engine died"
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["requests"]["completed"] >= 1
    assert launching.family() == []


def test_a_proxy_launches_its_engine_and_ends_with_it(launching: Command, tmp_path: Path) -> None:
    environment = fake_environment(tmp_path)
    started = launching.start("serve", "--engine", RECIPE, "--engine-env", environment, "--port", 0, "--out", "run")
    url = started.url()
    with urllib.request.urlopen(f"{url}/v1/models", timeout=10) as answer:
        assert json.load(answer)["data"][0]["id"] == "tiny"
    os.kill(engine_pid(launching), signal.SIGKILL)
    done = started.wait().check(1)
    assert re.search("the engine died: server was killed by SIGKILL", done.err)
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["ended"] == "engine died"
    assert launching.family() == []


def test_a_proxy_stops_its_engine_after_its_streams(launching: Command, tmp_path: Path) -> None:
    environment = fake_environment(tmp_path, "--token-s", 0.01)
    started = launching.start("serve", "--engine", RECIPE, "--engine-env", environment, "--port", 0, "--out", "run")
    body = {"model": "tiny", "messages": [], "max_tokens": 50, "stream": True}
    request = urllib.request.Request(f"{started.url()}/v1/chat/completions", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.readline()
        started.send(signal.SIGINT, group=True)
        assert answer.read().endswith(b"data: [DONE]\n\n")
    started.wait().check(0)
    assert launching.family() == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--url", "http://e", "--engine-gpus", "0"), "launch a real engine"),
        (("--engine", "fixed-5ms", "--simulate", "--dummy-weights"), "launch a real engine"),
        (("--engine", RECIPE, "--engine-gpus", "0,1"), "--engine-gpus names 2"),
        (("--engine", RECIPE, "--engine-env", "."), "is no environment"),
    ],
)
def test_flags_that_do_not_go_together(
    launching: Command, trace: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    assert complaint in launching.run("replay", trace, *arguments).complaint()
