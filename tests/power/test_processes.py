"""/proc of this very test."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from imaxproxy.power.processes import environment, family, listening_pids

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize("kind", [socket.AF_INET, socket.AF_INET6])
def test_who_listens_is_found_by_the_port(kind: socket.AddressFamily) -> None:
    try:
        with socket.create_server(("", 0), family=kind) as door:
            assert os.getpid() in listening_pids(door.getsockname()[1])
    except OSError:
        pytest.skip("no IPv6 here")


def test_nobody_listens_at_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    assert listening_pids(port) == set()


def test_a_family_is_all_descendants_and_an_environment_is_read() -> None:
    child = subprocess.Popen(
        ["sh", "-c", "sleep 30 & read x; kill $!"],
        stdin=subprocess.PIPE,
        env={"MARK": "a=b", "PATH": os.environ["PATH"]},
    )
    try:
        assert {os.getpid(), child.pid} <= family([os.getpid()])
        assert os.getpid() not in family([child.pid])
        assert environment(child.pid).get("MARK", "a=b") == "a=b"
    finally:
        child.communicate(b"\n")


def test_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert environment(1 << 22) == {}
    assert listening_pids(80, tmp_path) == set()
    assert family([5], tmp_path) == {5}
