"""The exporter's process as the command sees it: it reads the run directory, so no data process knows of it."""

import contextlib
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import IO, Any, cast
from urllib.parse import urlsplit

from imaxproxy.errors import UsageError

ENDPOINT_PATH = "/v1/metrics"
EVERY_S = 10.0
_END_S = 15.0


@dataclass(frozen=True, slots=True)
class Exporting:
    """What the process is told, as a line of JSON on its stdin."""

    run: str
    endpoint: str
    provider: str | None = None
    """The engine's name, where it is known."""
    model: str | None = None
    """That was asked for, where it is always the same."""
    simulated: bool = False
    instance: str | None = None
    """Which of several processes exports (`service.instance.id`); None: the run directory's name says it."""
    every_s: float = EVERY_S


def endpoint_of(url: str) -> str:
    """Where metrics are posted. Raises UsageError for what is no http URL, and without the extra."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--otlp {url}: give the collector's URL, such as http://127.0.0.1:4318")
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter.otlp.proto.http") is None:
        raise UsageError("--otlp needs OpenTelemetry's exporter: pip install 'imaxproxy[otlp]'")
    return url if parts.path not in ("", "/") else url.rstrip("/") + ENDPOINT_PATH


class OtlpProcess:
    """Exports from `start` until `stop`. When the command dies, it exports what is left and ends by itself."""

    def __init__(self, exporting: Exporting) -> None:
        self._exporting = exporting
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-P", "-m", "imaxproxy.live.otlp.exporter"]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        stdin = cast(IO[bytes], self._child.stdin)
        with contextlib.suppress(BrokenPipeError):
            stdin.write(json.dumps(asdict(self._exporting)).encode() + b"\n")
            stdin.flush()

    def stop(self) -> str | None:
        """Export the rest and end; None when all went well, else a line that says what did not."""
        child, self._child = self._child, None
        if child is None:
            return None
        endpoint = self._exporting.endpoint
        try:
            said, _ = child.communicate(timeout=_END_S)  # closes its stdin
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            return f"OTLP: {endpoint} did not take the last figures within {_END_S:g} s"
        report: dict[str, Any] = json.loads(said) if said.strip() else {}
        if "exports" not in report:
            return f"OTLP: the exporter ended too soon (code {child.returncode}): see its message above"
        if report["failed"]:
            return f"OTLP: {report['failed']} of {report['exports']} exports to {endpoint} failed: {report['why']}"
        return None
