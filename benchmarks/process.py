"""Child processes: started on their core, awaited with a limit, their log kept to say why they failed."""

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cpu import pinned
from benchmarks.paths import Unavailable

POLL_S = 0.05


@dataclass(frozen=True)
class Ended:
    """A process that ran to its end."""

    started_ns: int
    wall_s: float
    cpu_s: float
    system_s: float
    output: str
    peak_rss_mb: float
    """Of itself or of its largest child."""


class Child:
    """A process on a core of its own choice; its output goes to a log file."""

    def __init__(self, core: int, command: Sequence[object], log: Path, env: dict[str, str] | None = None) -> None:
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self.started_ns = time.monotonic_ns()
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                pinned(core, *command), stdout=output, stderr=subprocess.STDOUT, env=os.environ | (env or {})
            )
        self.pid = self._popen.pid

    def tail(self) -> str:
        """The last line it wrote."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "no output"

    def wait(self, limit_s: float, codes: Sequence[int] = (0,)) -> Ended:
        """Wait for its end. Raises Unavailable when it takes too long, or its exit code is none of `codes`."""
        deadline = time.monotonic() + limit_s
        while True:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                self.stop()
                raise Unavailable(f"not done after {limit_s:.0f} s; last line: {self.tail()}")
            time.sleep(POLL_S)
        self._popen.returncode = os.waitstatus_to_exitcode(status)
        if self._popen.returncode not in codes:
            raise Unavailable(f"exit code {self._popen.returncode}: {self.tail()}")
        wall_s = (time.monotonic_ns() - self.started_ns) / 1e9
        cpu_s, output = usage.ru_utime + usage.ru_stime, self.log.read_text()
        return Ended(self.started_ns, wall_s, cpu_s, usage.ru_stime, output, usage.ru_maxrss / 1024)

    def ready(self, url: str, limit_s: float = 20) -> None:
        """Wait until `url` answers 200. Raises Unavailable when it never does."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if self._popen.poll() is not None:
                raise Unavailable(f"exit code {self._popen.returncode}: {self.tail()}")
            try:
                with urllib.request.urlopen(url, timeout=1):
                    return
            except OSError:
                time.sleep(POLL_S)
        self.stop()
        raise Unavailable(f"{url} did not answer 200 within {limit_s:.0f} s; last line: {self.tail()}")

    def stop(self, limit_s: float = 20) -> None:
        """SIGTERM, then SIGKILL."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(limit_s)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
