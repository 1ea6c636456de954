"""The sampler of engines' own metrics, as the command sees it: begun before the load, ended after it."""

import contextlib
import json
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

EVERY_S = 1.0
_READY_S = 5.0
_END_S = 5.0


class MetricsProcess:
    """Samples into a file from `start` until `stop`. When the command dies, it ends by itself."""

    def __init__(self, path: Path, sources: Sequence[tuple[str, str | None]], every_s: float = EVERY_S) -> None:
        """sources: the server's root URL and the engine's name of each, None where the page shall tell."""
        rows = [{"url": url, "engine": engine} for url, engine in sources]
        self._settings = {"path": str(path.absolute()), "sources": rows, "every_s": every_s}
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin; `wait_ready` tells when the first sample is there."""
        command = [sys.executable, "-P", "-m", "imaxproxy.launch.metrics_sampler"]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        stdin = cast(IO[bytes], self._child.stdin)
        with contextlib.suppress(BrokenPipeError):
            stdin.write(json.dumps(self._settings).encode() + b"\n")
            stdin.flush()

    def wait_ready(self, timeout_s: float = _READY_S) -> bool:
        """Wait for the first sample: what comes after it is the run's. False when there is none in time."""
        if self._child is None:
            return False
        stdout = cast(IO[bytes], self._child.stdout)
        readable, _, _ = select.select([stdout], [], [], timeout_s)
        return bool(readable) and stdout.readline() == b"ready\n"

    def stop(self) -> None:
        """Take a last sample and end. No harm when it never began."""
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(BrokenPipeError):
            cast(IO[bytes], child.stdin).close()
        try:
            child.wait(_END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        cast(IO[bytes], child.stdout).close()
