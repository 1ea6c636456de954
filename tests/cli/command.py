"""The command line as a user has it: real processes, and no process left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEADLINE_S = 30.0
_POLL_S = 0.01
_MARK = "IMAXPROXY_TEST_FAMILY"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 (whatever the command printed)
        return json.loads(self.out)

    def check(self, code: int) -> "Done":
        assert self.code == code, f"exit {self.code}\n{self.out}\n{self.err}"
        assert "Traceback" not in self.err, self.err
        return self

    def complaint(self) -> str:
        """The one line on stderr of a command that was used wrongly."""
        self.check(2)
        assert self.out == ""
        (line,) = self.err.splitlines()
        assert line.startswith("imaxproxy: ")
        return line.removeprefix("imaxproxy: ")


@dataclass
class Command:
    """`imaxproxy ...` in a folder of its own; every process that comes of it is known by a mark in its environment."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: list["Started"] = field(default_factory=list)

    def start(self, *arguments: object) -> "Started":
        """Start it in a session of its own, so that a signal to its group reaches nobody else."""
        number = len(self.started)
        err_path = self.folder / f"stderr-{number}"
        with err_path.open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "imaxproxy.cli.main", *map(str, arguments)],
                cwd=self.folder,
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=err,
                start_new_session=True,
            )
        self.started.append(Started(process, err_path))
        return self.started[-1]

    def run(self, *arguments: object) -> Done:
        return self.start(*arguments).wait()

    def family(self) -> list[int]:
        """Processes that still run and came of these commands."""
        mark = f"{_MARK}={self.mark}".encode()
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if mark in _environment_of(path)]

    def close(self) -> None:
        for each in self.started:
            each.kill()
        until(lambda: not self.family(), "all processes to end", also=self._kill_family)

    def _kill_family(self) -> None:
        for pid in self.family():
            os.kill(pid, signal.SIGKILL)

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH", "LANG") if name in os.environ}
        root = str(Path(__file__).parents[2])
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, [root, kept.get("PYTHONPATH")]))
        return kept | {_MARK: self.mark, "PYTHONWARNINGS": "error"} | self.environment


@dataclass
class Started:
    """A command that runs."""

    process: "subprocess.Popen[bytes]"
    err_path: Path

    @property
    def err(self) -> str:
        return self.err_path.read_text()

    def says(self, pattern: str, deadline_s: float = DEADLINE_S) -> "re.Match[str]":
        """Wait for a line on stderr."""
        said = f"{pattern!r} on stderr"
        until(lambda: re.search(pattern, self.err) or self.process.poll() is not None, said, deadline_s=deadline_s)
        found = re.search(pattern, self.err)
        assert found, f"ended with {self.process.poll()} before it said {pattern!r}: {self.err}"
        return found

    def url(self) -> str:
        """Of a proxy, once it listens."""
        return self.says(r"imaxproxy: (http://\S+)/v1 ->")[1]

    def send(self, number: int, *, group: bool = False) -> None:
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def wait(self, deadline_s: float = DEADLINE_S) -> Done:
        try:
            out, _ = self.process.communicate(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {deadline_s:g} s: {self.err}") from None
        return Done(self.process.returncode, out.decode(), self.err)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def until(
    condition: Callable[[], object],
    what: str,
    also: Callable[[], None] = lambda: None,
    deadline_s: float = DEADLINE_S,
) -> None:
    """Wait for a condition, with a deadline."""
    over_s = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > over_s:
            also()
            raise AssertionError(f"waited {deadline_s:g} s for {what}")
        time.sleep(_POLL_S)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """A JSONL file, as far as it is there and whole."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def write_trace(path: Path, rows: int, **fields: object) -> Path:
    """A Mooncake trace, or a canonical one when `fields` say more."""
    row = {"input_length": 20, "output_length": 4, "hash_ids": [0]} | fields
    path.write_text("".join(json.dumps({"timestamp": 10 * number, **row}) + "\n" for number in range(rows)))
    return path


def _environment_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # gone, or not ours
        return b""
