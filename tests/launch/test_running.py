import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch.running import READY, Register, RunningEngine, runtime_folder
from launch.processes import wait_gone

ENGINE = RunningEngine("tiny", "tiny-cpu-vllm", "vllm", "tiny", "http://127.0.0.1:8000", "/tmp/x", "2026-11-26")


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path)


def test_an_engine_is_found_while_its_keeper_lives(register: Register) -> None:
    kept = register.put(ENGINE)
    assert kept.pid == os.getpid()
    assert register.engines() == [kept]
    assert register.find(None) == register.find("tiny") == kept
    register.put(replace(kept, state=READY))
    assert register.find("tiny").state == READY
    register.remove("tiny")
    assert register.engines() == []


def test_the_file_of_a_dead_keeper_is_taken_away(register: Register, tmp_path: Path) -> None:
    kept = register.put(ENGINE)
    path = tmp_path / "engines" / "tiny.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"born": kept.born + 1}))  # the number is another's now
    assert register.engines() == []
    assert not path.exists()
    kept_no_more = replace(kept, born=kept.born + 1)
    kept_no_more.signal(signal.SIGKILL)  # no harm: it is not ours to signal


def test_half_a_file_is_no_engine(register: Register, tmp_path: Path) -> None:
    (tmp_path / "engines" / "half.json").write_text('{"name": "ha')
    assert register.engines() == []


def test_which_engine_is_asked_for_is_said(register: Register) -> None:
    with pytest.raises(UsageError, match="no engine runs: start one with `imaxproxy engine launch RECIPE`"):
        register.find(None)
    register.put(ENGINE)
    register.put(replace(ENGINE, name="other"))
    with pytest.raises(UsageError, match=r"which engine\? Running: other, tiny"):
        register.find(None)
    with pytest.raises(UsageError, match=r"no engine 'third'\? Running: other, tiny"):
        register.find("third")


def test_two_of_a_name_are_not_started(register: Register) -> None:
    register.check_free("tiny")
    register.put(ENGINE)
    with pytest.raises(UsageError, match=r"an engine 'tiny' runs at http://127.0.0.1:8000: `imaxproxy engine stop"):
        register.check_free("tiny")


def test_a_keeper_is_signalled(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as keeper:
        born = int(Path(f"/proc/{keeper.pid}/stat").read_text().rpartition(")")[2].split()[19])
        engine = replace(ENGINE, pid=keeper.pid, born=born)
        assert engine.keeper_lives
        engine.kill()
        assert wait_gone(keeper.pid, timeout_s=10)
        assert not engine.keeper_lives  # a zombie is no keeper


def test_the_folder_is_the_users_own(tmp_path: Path) -> None:
    folder = runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)})
    assert folder == tmp_path / "imaxproxy"
    assert folder.stat().st_mode & 0o077 == 0
    assert str(os.getuid()) in runtime_folder({}).name
