"""The supervisor against real processes: small ones of ours that behave as engines were seen to."""

import contextlib
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch.death import Death
from imaxproxy.launch.engine import Engine, Plan, Process, Readiness, Stopping, milestones
from imaxproxy.launch.first_token import Door, first_token_s
from imaxproxy.launch.launched import Launch, LaunchedEngine
from imaxproxy.launch.port import free_port
from imaxproxy.launch.process import EngineError
from launch.processes import is_alive, wait_gone

FAKE = Path(__file__).with_name("fake_engine.py")
LOGS = Path(__file__).parents[1] / "data" / "launch"


def no_plan(*_: object) -> Plan:
    raise NotImplementedError


ENGINE = Engine(
    name="fake",
    package="fake",
    plan=no_plan,
    readiness=Readiness(every_s=0.02),
    milestones=milestones(("milestone 0", "loading weights", 0.3), ("milestone 1", "compiling", 0.7)),
    stopping=Stopping(grace_s=5.0),
    parts=("fake::core", "fake::worker"),
)


@dataclass
class Made:
    """What a test has of an engine that it may start."""

    launch: Launch

    def engine(self, on_death: Callable[[Death], None] = lambda death: None) -> LaunchedEngine:
        return LaunchedEngine(self.launch, on_death=on_death)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Made]:
    def build(*arguments: object, program: str = sys.executable, script: Path = FAKE, **fields: object) -> Made:
        port = free_port("127.0.0.1")
        argv = (program, str(script), "--port", str(port), *map(str, arguments))
        launch = Launch(
            name="tiny-fake",
            engine=ENGINE,
            plan=Plan(processes=(Process(name="server", argv=argv, env={}),)),
            door=Door("127.0.0.1", port, "tiny"),
            log_dir=tmp_path / "run",
            ready_timeout_s=20.0,
            warmup_rounds=(2,),
        )
        return Made(replace(launch, **fields))  # type: ignore[arg-type]

    return build


def ask(url: str) -> None:
    with contextlib.suppress(OSError, EOFError), urllib.request.urlopen(url, timeout=10):
        pass


def test_it_starts_serves_and_leaves_nothing(make: Callable[..., Made]) -> None:
    shown: list[tuple[float, str]] = []
    engine = LaunchedEngine(make("--progress", 2, "--child").launch, show=lambda *news: shown.append(news))
    with engine:
        assert engine.times is not None
        assert 0 < engine.times.first_token_s < engine.times.ready_s + 20
        pid = engine.processes[0].pid
        child = int(log_of(engine).split()[1])
        assert pid is not None
        assert is_alive(child)
        engine.check()
    assert not is_alive(pid)
    assert not is_alive(child)
    assert [share for share, _ in shown] == sorted(share for share, _ in shown)
    assert (0.9 * 0.7, "compiling") in shown
    assert shown[-1] == (1.0, "ready")


def log_of(engine: LaunchedEngine) -> str:
    return engine.processes[0].log.read_text()


@pytest.mark.parametrize("code", [0, 3])
def test_an_end_that_nobody_asked_for_is_a_death_also_with_code_0(make: Callable[..., Made], code: int) -> None:
    deaths: queue.Queue[Death] = queue.Queue()
    with make().engine(deaths.put) as engine:
        ask(f"{engine.url}/die?code={code}")
        assert str(deaths.get(timeout=10)) == f"server ended with code {code}"
        with pytest.raises(EngineError, match=f"fake of recipe tiny-fake died: server ended with code {code}"):
            engine.check()


def test_a_killed_engine_is_heard_of_and_its_children_go_too(make: Callable[..., Made]) -> None:
    deaths: queue.Queue[Death] = queue.Queue()
    with make("--child").engine(deaths.put) as engine:
        pid, child = engine.processes[0].pid, int(log_of(engine).split()[1])
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert deaths.get(timeout=10).code == -signal.SIGKILL
        with pytest.raises(EngineError, match=r"killed by SIGKILL.*dmesg"):
            engine.check()
        assert wait_gone(child, timeout_s=10)


@pytest.mark.parametrize("who", ["warden", "guard"])
def test_what_stands_between_may_be_killed_and_nothing_is_left(make: Callable[..., Made], who: str) -> None:
    """Ray kills the children of an actor's process: the guard. Out of memory, the kernel kills any."""
    deaths: queue.Queue[Death] = queue.Queue()
    with make("--child").engine(deaths.put) as engine:
        process = engine.processes[0]
        child = int(log_of(engine).split()[1])
        assert process.pid is not None
        warden = parent_of(process.pid)
        guard = parent_of(warden)
        os.kill(warden if who == "warden" else guard, signal.SIGKILL)
        if who == "warden":
            assert deaths.get(timeout=10).code == -signal.SIGKILL
            assert wait_gone(child, timeout_s=10)
        assert wait_gone(guard, timeout_s=10)
    assert wait_gone(process.pid, timeout_s=10)
    assert wait_gone(child, timeout_s=10)
    assert wait_gone(warden, timeout_s=10)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])


def test_the_death_of_one_process_is_the_engines(make: Callable[..., Made]) -> None:
    """Dynamo's frontend lives on and says that it is healthy."""
    made = make()
    worker = Process(name="worker", argv=(sys.executable, "-c", "import time; time.sleep(600)"), env={})
    plan = replace(made.launch.plan, processes=(worker, *made.launch.plan.processes))
    deaths: queue.Queue[Death] = queue.Queue()
    with Made(replace(made.launch, plan=plan)).engine(deaths.put) as engine:
        pid = engine.processes[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        assert deaths.get(timeout=10).process == "worker"


def test_the_death_of_an_inner_process_is_the_engines(make: Callable[..., Made]) -> None:
    """vLLM's server lives on for 4 s without its core, and SGLang's for 6."""
    deaths: queue.Queue[Death] = queue.Queue()
    with make("--part", "fake::core").engine(deaths.put) as engine:
        pid, part = engine.processes[0].pid, int(log_of(engine).split()[1])
        assert pid is not None
        assert deaths.empty()
        os.kill(part, signal.SIGKILL)
        assert str(deaths.get(timeout=10)) == f"server lost its fake::core (process {part})"
        with pytest.raises(EngineError, match=r"died: server lost its fake::core .*dmesg"):
            engine.check()
        assert wait_gone(pid, timeout_s=10)  # half an engine is stopped
    assert deaths.empty()


def test_an_inner_process_that_is_stopped_with_its_engine_is_no_death(make: Callable[..., Made]) -> None:
    deaths: queue.Queue[Death] = queue.Queue()
    with make("--part", "fake::worker").engine(deaths.put) as engine:
        part = int(log_of(engine).split()[1])
    assert not is_alive(part)
    assert engine.processes[0].lost is None
    assert deaths.empty()


def test_a_process_that_no_engine_named_may_end(make: Callable[..., Made]) -> None:
    """A compiler, or a pool that is no longer needed."""
    deaths: queue.Queue[Death] = queue.Queue()
    with make("--part", "ptxas").engine(deaths.put) as engine:
        part = int(log_of(engine).split()[1])
        os.kill(part, signal.SIGKILL)
        assert first_token_s(engine.launch.door, 10.0) > 0
        engine.check()
    assert deaths.empty()


def test_one_that_ignores_sigterm_is_killed_at_the_deadline(make: Callable[..., Made]) -> None:
    with make("--stubborn", stop_s=0.2).engine() as engine:
        process = engine.processes[0]
    assert process.code == -signal.SIGKILL


def test_a_page_that_lists_no_model_is_not_ready_yet(make: Callable[..., Made]) -> None:
    with make("--empty-models", 3).engine() as engine:
        assert engine.times is not None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--refuse",), "serves, and gives no token: /v1/chat/completions answered 500: Internal Server Error"),
        (("--error-in-stream",), "serves, and gives no token: an error in the stream: .*EngineCore encountered"),
    ],
)
def test_ready_means_a_token(make: Callable[..., Made], arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(EngineError, match=says), make(*arguments).engine():
        pass


def test_a_start_that_takes_too_long_is_given_up(make: Callable[..., Made]) -> None:
    engine = make("--silent", "--progress", 1, ready_timeout_s=1.0).engine()
    with pytest.raises(EngineError, match=r"was not ready after 1 s.*last seen"), engine:
        pass
    assert not engine.processes[0].runs


def test_a_part_runs_without_a_door_and_says_how_far_it_is(make: Callable[..., Made]) -> None:
    deaths: queue.Queue[Death] = queue.Queue()
    with make("--silent", "--progress", 1, is_head=False).engine(deaths.put) as engine:
        assert engine.times is None
        while engine.stands != (0.3, "loading weights"):
            engine.processes[0].wait(0.01)
        engine.watch_parts()
        assert engine.processes[0].pid is not None
        os.kill(engine.processes[0].pid, signal.SIGKILL)
        assert str(deaths.get(timeout=10)) == "server was killed by SIGKILL"
        assert engine.last_words().startswith("It said: milestone 0. To mend it: ")


def test_a_start_that_is_given_up_ends_for_whoever_waits(make: Callable[..., Made]) -> None:
    engine = make("--silent", ready_timeout_s=600.0).engine()
    engine.give_up("its other part died")
    with pytest.raises(EngineError, match=r"^its other part died$"), engine:
        pass
    assert not engine.processes[0].runs


FAILURES = [
    ("vllm-fail-badflag.log", 2, "unrecognized arguments: --no-such-flag", r"take it out of the recipe's \[engine"),
    ("vllm-fail-badmodel.log", 1, "Repo id must be in the form", "correct its model or model_path"),
    ("vllm-fail-badlen.log", 1, r"attention heads \(2\) must be divisible by", "choose a tp"),
    ("vllm-fail-port-in-use.log", 1, "Address already in use", "stop what listens there"),
    ("sglang-fail-badflag.log", 2, "unrecognized arguments: --no-such-flag", r"take it out of the recipe's \[engine"),
    ("sglang-fail-badmodel.log", 1, "Repo id must be in the form", "correct its model or model_path"),
    ("dynamo-fail-badflag.log", 1, "Unknown arguments specified", r"does not know \['--no-such-flag'\]"),
    ("dynamo-fail-badmodel.log", 1, "Model snapshots for", "correct its model or model_path"),
    ("transformers-fail-badflag.log", 2, "No such option", "does not know .*--no-such-flag"),
    ("transformers-fail-badmodel.log", 1, "Repo id must be in the form", "correct its model or model_path"),
    ("sglang-fail-kernel-h200.log", 1, "Capture cuda graph failed: flashinfer.rmsnorm", "a kernel that this install"),
    ("vllm-fail-kv-memory.log", 1, "No available memory for the cache blocks", "raise the recipe's limits"),
    ("cuda-out-of-memory.log", 1, "CUDA out of memory", "lower the recipe's limits"),
    ("gated-model.log", 1, "is restricted", "accept its licence"),
    ("too-few-gpus.log", 1, "number of available GPUs|invalid device ordinal", "nvidia-smi -L"),
]


@pytest.mark.parametrize(("log", "code", "said", "advice"), FAILURES, ids=[row[0] for row in FAILURES])
def test_an_early_death_says_why_and_what_to_do(
    make: Callable[..., Made], log: str, code: int, said: str, advice: str
) -> None:
    """With the words that engines were recorded with, in a process that dies of it."""
    kind = UsageError if code == 2 else EngineError
    with pytest.raises(kind) as caught, make("--log", LOGS / log, "--exit", code).engine():
        pass
    message = " ".join(str(caught.value).split())
    assert message.startswith(f"fake of recipe tiny-fake server ended with code {code} before it was ready. It said:")
    assert re.search(said, message), message
    assert re.search(advice, message), message
    assert "server.log" in message


def test_an_engine_that_is_not_installed(make: Callable[..., Made]) -> None:
    with pytest.raises(UsageError, match="no-such-engine is not installed, or not on PATH"):
        make(program="no-such-engine").engine().__enter__()


def test_a_port_in_use_is_found_before_anything_starts(make: Callable[..., Made]) -> None:
    engine = make().engine()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", engine.launch.door.port))
        taken.listen()
        with pytest.raises(UsageError, match=r"port \d+ of 127.0.0.1 is in use"):
            engine.__enter__()
    assert engine.processes == []


def test_nothing_outlives_a_kill_of_ours(tmp_path: Path) -> None:
    """The owner is killed with -9: the engine, and a grandchild in a session of its own, go."""
    port = free_port("127.0.0.1")
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from imaxproxy.launch.process import EngineProcess\n"
        f"log = Path({str(tmp_path / 'log')!r})\n"
        f"argv = [sys.executable, {str(FAKE)!r}, '--port', '{port}', '--child', '--progress', '1']\n"
        "engine = EngineProcess('server', argv, dict(os.environ), log)\n"
        "engine.start()\n"
        "while 'milestone' not in (log.read_text() if log.exists() else ''): engine.wait(0.01)\n"
        "print(engine.pid, log.read_text().split()[1], flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    owner = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=30, check=False)
    assert owner.returncode == -signal.SIGKILL, owner.stderr
    for pid in map(int, owner.stdout.split()):
        assert wait_gone(pid, timeout_s=15)
