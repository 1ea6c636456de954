import importlib.util
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from scripted_engine import Script, ScriptedEngine, in_background

_MARK = "IMAXPROXY_TEST_RAYLETS"
_HERE = Path(__file__).parent


@dataclass
class Raylets:
    """A cluster that runs."""

    process: "subprocess.Popen[str]"
    mark: str
    address: str = ""

    def tell(self, line: str) -> None:
        """Have something done, and wait until it is."""
        assert self.process.stdin is not None
        print(line, file=self.process.stdin, flush=True)
        self.hear()

    def hear(self) -> dict[str, str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the cluster did not come up, or has ended"
        return dict(json.loads(line))

    def workers(self) -> list[int]:
        """Player processes on its nodes."""
        return self.running(b"conduct.replay.worker")

    def running(self, word: bytes) -> list[int]:
        """Processes on its nodes that have this in their command line."""
        mark, found = f"{_MARK}={self.mark}".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes() and word in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except OSError:  # gone, or not ours
                continue
        return found


@contextmanager
def running_raylets(
    count: int, cpus: int, gpus: int = 0, environments: Sequence[dict[str, str]] = ()
) -> Iterator[Raylets]:
    """So many nodes of so many CPUs, whatever this machine has. environments: what each one's processes find set."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: scripts/test-ray installs it")
    mark = uuid.uuid4().hex
    environment = {**os.environ, _MARK: mark, "PYTHONPATH": str(_HERE.parents[1])}
    asked = {"raylets": count, "cpus": cpus, "gpus": gpus, "environments": list(environments)}
    process = subprocess.Popen(
        [sys.executable, str(_HERE / "raylets.py"), json.dumps(asked)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    cluster = Raylets(process, mark)
    try:
        cluster.address = cluster.hear()["address"]
        yield cluster
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


@pytest.fixture(scope="module")
def raylets() -> Iterator[Raylets]:
    """Three nodes of four CPUs."""
    with running_raylets(3, 4) as cluster:
        yield cluster


@pytest.fixture
def start_engine() -> Iterator[Callable[[Script], ScriptedEngine]]:
    """Scripted engines that run until the test ends."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(in_background(ScriptedEngine(script)))
