"""The manifest: everything needed to run it again, and to read its clock."""

import os
import platform
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from imaxproxy import __version__
from imaxproxy.clock import monotonic_ns
from imaxproxy.errors import ImaxproxyError
from imaxproxy.runs.directory import RunDirectory

SCHEMA = "imaxproxy.manifest/1"
KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Written when a run starts, and again with `ended` when it ends."""

    command: str
    argv: list[str]
    settings: dict[str, Any]
    engine: dict[str, Any] | None = None
    """What the engine is, as far as it says or the recipe does: model, GPU, count, whether it is simulated."""
    trace: dict[str, Any] | None = None
    """What was replayed."""
    capture: dict[str, Any] | None = None
    """What was recorded for a replay: how many requests, and how many more none could send."""
    hot_path: str | None = None
    """What carried the streamed answers: `c` or `python`; None where time was virtual."""
    shares: list[dict[str, Any]] | None = None
    """Of a run that is a share of a schedule, or was merged of some: `runs.shares` has the rows; None for any other."""
    lost: dict[str, Any] | None = None
    """What of the schedule was lost with its machines: a `runs.shares.Loss`."""
    ended: str = KILLED
    """How the run ended; a run that never wrote its end was killed."""
    lost_lines: int = 0
    schema: str = SCHEMA
    version: str = __version__
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    clock: dict[str, Any] = field(default_factory=lambda: _clock())
    host: dict[str, Any] = field(default_factory=lambda: host_facts())

    def write(self, run: RunDirectory) -> None:
        write_json(run.manifest, asdict(self))

    @classmethod
    def read(cls, run: RunDirectory) -> "Manifest | None":
        """None when the run has none. Raises ImaxproxyError for one of another schema."""
        if not run.manifest.exists():
            return None
        try:
            row = orjson.loads(run.manifest.read_bytes())
            if row["schema"] != SCHEMA:
                raise ImaxproxyError(
                    f"{run.manifest}: schema {row['schema']!r}, this version reads {SCHEMA!r}: "
                    f"read it with the imaxproxy that wrote it ({row.get('version', 'it does not say which')})"
                )
            return cls(**row)
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ImaxproxyError(f"{run.manifest} is not a manifest: {error}") from error


def write_json(path: "os.PathLike[str]", value: dict[str, Any]) -> None:
    """Write whole or not at all."""
    beside = f"{os.fspath(path)}.part"
    with open(beside, "wb") as file:
        file.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    os.replace(beside, path)


def _clock() -> dict[str, Any]:
    """Wall time is noted once; `monotonic_ns` was read at the same moment."""
    return {"source": "CLOCK_MONOTONIC", "monotonic_ns": monotonic_ns(), "unix_s": time.time()}


def host_facts() -> dict[str, Any]:
    """This machine. Processes whose `clock_id` is the same have one CLOCK_MONOTONIC."""
    return {
        "name": socket.gethostname(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "python": sys.version.split()[0],
        "clock_id": _clock_id(),
    }


def _clock_id() -> str | None:
    """The kernel's boot, and the time namespace, of which a container may have its own; None where neither is told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/time')}"
    except OSError:
        return None
