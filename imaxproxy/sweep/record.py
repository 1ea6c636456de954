"""`sweep.json`: what became of each point. What is done is read from the runs themselves; reasons only stand here."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.runs import RunDirectory, read_summary, write_json
from imaxproxy.sweep.knee import KNEE_RULE
from imaxproxy.sweep.point import Curve, Point

SCHEMA = "imaxproxy.sweep-record/1"
DONE, FAILED, SKIPPED, PENDING = "done", "failed", "skipped", "pending"
_WHOLE = ("finished", "duration")
"""How a run has ended that was played as far as it was meant to."""
_BEFORE_A_RECORD = {".lock", "sweep.json.part"}
"""What a sweep that was killed at its very start may have left."""
_SAVED_EVERY_S = 1.0
"""A thousand points are a megabyte."""
_FAILED_LIMIT = 0.05
"""As `replay` has it: a run has failed with more failed requests than that."""


def finished(run: Path) -> dict[str, Any] | None:
    """The summary of a run that was played to its end; None for any other, and where there is none."""
    try:
        summary = read_summary(RunDirectory(run))
    except (ImaxproxyError, OSError):
        return None
    return summary if summary["ended"] in _WHOLE and why_failed(summary) is None else None


def why_failed(summary: dict[str, Any]) -> str | None:
    """None for a run that counts."""
    requests = summary["requests"]
    bad = requests["failed"] + requests["truncated"]
    if summary["ended"] not in _WHOLE:
        return f"the run ended: {summary['ended']}"
    if not requests["completed"]:
        return "no request completed"
    if bad <= _FAILED_LIMIT * requests["sent"]:
        return None
    kinds = ", ".join(f"{kind} {count}" for kind, count in requests["by_error"].items())
    return f"{bad} of {requests['sent']} requests failed" + (f": {kinds}" if kinds else "")


class SweepRecord:
    """The states of all points, written at most once a second and by `save`; several threads may tell.

    Nothing but the last second's reasons can be lost: whether a point is done stands in its run.
    """

    def __init__(self, folder: Path, head: dict[str, Any], curves: Sequence[Curve]) -> None:
        """head: what the sweep is, with `spec_sha256`. Raises UsageError for a folder of another sweep."""
        self._path = folder / "sweep.json"
        self._folder, self._head = folder, head
        self._lock = threading.Lock()
        self._saved_s = -_SAVED_EVERY_S
        self._points = {point: (PENDING, "") for curve in curves for point in curve.points}
        self._take_up()

    def set(self, point: Point, state: str, reason: str = "") -> None:
        with self._lock:
            self._points[point] = (state, reason)
            if time.monotonic() - self._saved_s >= _SAVED_EVERY_S:
                self._write()

    def save(self) -> None:
        """Write all that was told. Raises ImaxproxyError where that is not possible."""
        with self._lock:
            self._write()

    def state(self, point: Point) -> str:
        return self._points[point][0]

    def reason(self, point: Point) -> str:
        return self._points[point][1]

    def count(self, state: str) -> int:
        return sum(found == state for found, _ in list(self._points.values()))

    def as_dict(self) -> dict[str, Any]:
        """`sweep.json`."""
        points = [
            {
                "run": str(point.run.relative_to(self._folder)),
                "recipe": point.variant.name,
                "mode": point.variant.mode,
                "workload": point.workload,
                point.by: point.amount,
                "repeat": point.repeat,
                "state": state,
                "reason": reason or None,
                "replay": list(point.argv),
            }
            for point, (state, reason) in self._points.items()
        ]
        return {"schema": SCHEMA, **self._head, "knee_rule": KNEE_RULE, "points": points}

    def _write(self) -> None:
        try:
            write_json(self._path, self.as_dict())
        except OSError as error:
            raise ImaxproxyError(f"cannot write {self._path}: {error.strerror}") from error
        self._saved_s = time.monotonic()

    def _take_up(self) -> None:
        """Know again why points failed or were skipped: they may be tried again only after others, or never."""
        if not self._path.exists():
            if self._folder.is_dir() and any(each.name not in _BEFORE_A_RECORD for each in self._folder.iterdir()):
                raise UsageError(f"--out {self._folder} holds something else than a sweep: choose another folder")
            return
        try:
            before = orjson.loads(self._path.read_bytes())
            sha256 = before["spec_sha256"]
            settled = {
                self._folder / row["run"]: (str(row["state"]), str(row["reason"]))
                for row in before["points"]
                if row["state"] in (FAILED, SKIPPED)
            }
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise UsageError(f"{self._path} is no sweep's record: choose another --out") from error
        if sha256 != self._head["spec_sha256"]:
            raise UsageError(
                f"{self._folder} holds a sweep of another spec, or its recipes or traces have changed since: "
                "choose another --out, or remove it"
            )
        for point in self._points:
            self._points[point] = settled.get(point.run, self._points[point])
