"""A run that was summed up, as others read it: its manifest, its summary, its exchanges, its wall clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from imaxproxy.clock import NS_PER_S
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.metrics import Exchange
from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.journal import read_journal
from imaxproxy.runs.manifest import Manifest

SUMMARY_SCHEMA = "imaxproxy.summary/1"


def read_summary(run: RunDirectory) -> dict[str, Any]:
    """`summary.json`. Raises UsageError where there is none, ImaxproxyError for what is no summary of this schema."""
    if not run.summary.exists():
        raise UsageError(f"{run.path} has no summary.json: `imaxproxy report {run.path}` makes it")
    try:
        summary = dict(orjson.loads(run.summary.read_bytes()))
        schema = summary["schema"]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ImaxproxyError(f"{run.summary} is no summary; `imaxproxy report {run.path}` makes it anew") from error
    if schema != SUMMARY_SCHEMA:
        raise ImaxproxyError(
            f"{run.summary}: schema {schema!r}, this version reads {SUMMARY_SCHEMA!r}: "
            f"`imaxproxy report {run.path}` makes it anew from the journal"
        )
    return summary


def answered_as(summary: dict[str, Any]) -> str | None:
    """The models that answered, by their own names; None where none did, or an older version made the summary."""
    return ", ".join(summary.get("models", ())) or None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """All that is known of a run."""

    directory: RunDirectory
    manifest: Manifest | None
    summary: dict[str, Any]

    @classmethod
    def open(cls, path: Path) -> "RunRecord":
        """Raises UsageError for what is no run, or was never summed up."""
        directory = RunDirectory.open(path)
        return cls(directory, Manifest.read(directory), read_summary(directory))

    @property
    def engine(self) -> dict[str, Any]:
        """What the engine is, as far as anyone said."""
        return self.summary["engine"] or {}

    @property
    def settings(self) -> dict[str, Any]:
        """The flags that it was played with."""
        return self.manifest.settings if self.manifest else {}

    @property
    def model(self) -> str | None:
        """As the engine's description has it, else as it was asked for, else as answers named it."""
        found = self.engine.get("model") or self.settings.get("model") or answered_as(self.summary)
        return None if found is None else str(found)

    @property
    def workload(self) -> str | None:
        """What it played, by hash: the same for runs whose requests were drawn alike, be they more or fewer.

        Of a trace that was not drawn it is the file's; of live traffic the file's that was captured of it, so that a
        recording and its replay are known as one workload. None where nobody said.
        """
        trace = self.summary["trace"] or {}
        found = trace.get("workload_sha256") or trace.get("sha256") or self._captured.get("sha256")
        return None if found is None else str(found)

    @property
    def is_live_traffic(self) -> bool:
        """It was not played: its requests came when they came."""
        return self.manifest is not None and self.manifest.command == "serve"

    @property
    def _captured(self) -> dict[str, Any]:
        return (self.manifest.capture if self.manifest else None) or {}

    @property
    def simulated(self) -> bool:
        return bool(self.summary["simulated"])

    def exchanges(self) -> Iterator[Exchange]:
        """Those that are measured, one by one; what was only passed through is left out."""
        return (exchange for exchange in read_journal(self.directory) if exchange.ask.dialect is not None)

    def unix_s(self, time_ns: int) -> float:
        """The wall clock at a time of the run's own. A virtual run counts from the moment at which it was begun.

        Raises ImaxproxyError for a run without a manifest: nothing ties its clock to a day.
        """
        if self.manifest is None:
            raise ImaxproxyError(f"{self.directory.path} has no manifest.json: its times have no day")
        clock = self.manifest.clock
        zero_s = clock["unix_s"]
        if zero_s is None:
            zero_s = datetime.fromisoformat(self.manifest.started_at).timestamp()
        return float(zero_s) + (time_ns - int(clock["monotonic_ns"])) / NS_PER_S
