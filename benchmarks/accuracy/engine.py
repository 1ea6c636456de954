"""A case's simulated engine, as a process that leaves its truth."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accuracy.cases import Case
from benchmarks.cpu import pinned

TRUTH = "engine-truth.jsonl"


@dataclass(frozen=True)
class Engine:
    port: int

    @property
    def url(self) -> str:
        """Without /v1."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(case: Case, folder: Path, core: int | None = None) -> Iterator[Engine]:
    """Its truth lies in `folder` once the context has ended. `core`: the only one that it may use."""
    command = [sys.executable, "-m", "imaxproxy.sim", "--truth", str(folder / TRUTH), *case.engine_flags]
    process = subprocess.Popen(command if core is None else pinned(core, *command), stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        with process.stdout:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the simulated engine did not start; it said why on stderr: {' '.join(command)}")
            yield Engine(json.loads(line)["port"])
    finally:
        process.terminate()
        process.wait(30)
