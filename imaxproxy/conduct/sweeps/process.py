"""A process that plays points of a sweep, as its owner sees it."""

import subprocess
import sys
import threading
from typing import Any

import orjson

from imaxproxy.errors import ImaxproxyError
from imaxproxy.sweep import Point


class PointProcess:
    """Plays a point after the other; started when there is something to play, and anew when it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        self._closing = threading.Lock()

    def play(self, point: Point) -> None:
        """Raises ImaxproxyError with the reason of a point that could not be played, or that the process died of."""
        variant = {"name": point.variant.name, "mode": point.variant.mode, "log": str(point.run.parent)}
        self.send({"argv": point.argv, "number": point.repeat - 1, "variant": variant})

    def send(self, message: dict[str, Any]) -> None:
        """A point as `sweep_worker` takes it. Raises as `play`."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(orjson.dumps(message) + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = b""
        if not answer.endswith(b"\n"):
            code = process.wait()
            self._close()
            raise ImaxproxyError(f"the process that played it ended with code {code}")
        if (error := orjson.loads(answer)["error"]) is not None:
            raise ImaxproxyError(error)

    def kill(self) -> None:
        """End it at once; nothing is started any more."""
        self._killed = True
        if (process := self._process) is not None:  # its thread forgets it as soon as it is dead
            process.kill()

    def close(self) -> None:
        """Let it end: its input does."""
        self._close()

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._killed:
            raise ImaxproxyError("interrupted")
        if self._process is None:
            argv = [sys.executable, "-m", "imaxproxy.conduct.sweeps.worker"]
            self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process

    def _close(self) -> None:
        """By whoever comes first: on Ctrl-C the command and the thread that plays both do."""
        with self._closing:
            process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except OSError:  # what was to be written has no reader any more
                continue
        process.wait()
