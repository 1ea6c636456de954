"""`sweep.json`: what became of each point. What is done is read from the runs themselves; reasons only stand here."""

import threading
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
    return f"{bad} of {requests['sent']} requests failed" if bad > _FAILED_LIMIT * requests["sent"] else None


class SweepRecord:
    """The states of all points, written at each change; several threads may tell."""

    def __init__(self, folder: Path, head: dict[str, Any], curves: Sequence[Curve]) -> None:
        """head: what the sweep is, with `spec_sha256`. Raises UsageError for a folder of another sweep."""
        self._path = folder / "sweep.json"
        self._folder, self._head = folder, head
        self._lock = threading.Lock()
        self._points = {point: (PENDING, "") for curve in curves for point in curve.points}
        self._check()

    def set(self, point: Point, state: str, reason: str = "") -> None:
        with self._lock:
            self._points[point] = (state, reason)
            write_json(self._path, self.as_dict())

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

    def _check(self) -> None:
        if not self._path.exists():
            if self._folder.is_dir() and any(each.name != ".lock" for each in self._folder.iterdir()):
                raise UsageError(f"--out {self._folder} holds something else than a sweep: choose another folder")
            return
        try:
            before = orjson.loads(self._path.read_bytes())
            sha256 = before["spec_sha256"]
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise UsageError(f"{self._path} is no sweep's record: choose another --out") from error
        if sha256 != self._head["spec_sha256"]:
            raise UsageError(
                f"{self._folder} holds a sweep of another spec, or its recipes or traces have changed since: "
                "choose another --out, or remove it"
            )
