"""The sampler's process as the command sees it: begun before the load, ended after it, never in the way of it."""

import contextlib
import json
import select
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import orjson

from imaxproxy.power.mapping import Mapping
from imaxproxy.power.opening import settling_s
from imaxproxy.power.sample import Device, line_of
from imaxproxy.power.source import SourceError

_END_S = 5.0
_START_S = 20.0
"""A driver that nobody holds open takes seconds to come up (no persistence mode)."""


class SamplerProcess:
    """Samples into a file from `start` until `stop`. When the command dies, it ends by itself."""

    def __init__(
        self,
        path: Path,
        sources: Sequence[str],
        mapping: Mapping,
        *,
        tick_ms: float | None = None,
        calibrate_s: float = 2.0,
    ) -> None:
        self._settings: dict[str, Any] = {
            "path": str(path),
            "sources": list(sources),
            "mapping": asdict(mapping),
            "tick_ms": tick_ms,
            "calibrate_s": calibrate_s,
        }
        self._settle_s = settling_s(sources)
        self._calibrate_s = calibrate_s
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> list[Device]:
        """Begin, calibrate, and say what is sampled. Raises SourceError when a source cannot be opened."""
        command = [sys.executable, "-m", "imaxproxy.power"]
        self._child = child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        stdin, stdout = _pipes(child)
        stdin.write(json.dumps(self._settings).encode() + b"\n")
        stdin.flush()
        line = _line_within(stdout, self._calibrate_s + self._settle_s + _START_S)
        answer = orjson.loads(line) if line else {"error": "the power sampler ended, or is stuck in the driver"}
        if "error" in answer:
            self.stop()
            Path(self._settings["path"]).unlink(missing_ok=True)  # a run without samples has no file of them
            raise SourceError(answer["error"])
        devices = [line_of(row) for row in answer["devices"]]
        return [device for device in devices if isinstance(device, Device)]

    def stop(self) -> bool:
        """End it; True when it had sampled until now and ended in order."""
        child, self._child = self._child, None
        if child is None:
            return True
        stdin, stdout = _pipes(child)
        with contextlib.suppress(BrokenPipeError):
            stdin.close()
        try:
            return child.wait(self._settle_s + _END_S) == 0
        except subprocess.TimeoutExpired:  # stuck in a driver's call: what it wrote is on the disk
            child.kill()
            child.wait()
            return False
        finally:
            stdout.close()


def _pipes(child: "subprocess.Popen[bytes]") -> tuple[IO[bytes], IO[bytes]]:
    if child.stdin is None or child.stdout is None:
        raise ValueError("a sampler without pipes")
    return child.stdin, child.stdout


def _line_within(stdout: IO[bytes], timeout_s: float) -> bytes:
    ready, _, _ = select.select([stdout], [], [], timeout_s)
    return stdout.readline() if ready else b""
