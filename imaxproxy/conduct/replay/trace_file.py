"""The trace that a command plays, opened as often as its workers and laps want it."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from imaxproxy.conduct.flags.load import CHECKED_ROWS, Load, TraceRows
from imaxproxy.conduct.output import say
from imaxproxy.errors import UsageError
from imaxproxy.load import LanePlan
from imaxproxy.traces import FORMATS, LookAhead, Trace, TraceRow, open_trace, trace_sha256, unit_note
from imaxproxy.traces.checks import TraceChecks, block_key

_HASHED_WITHIN_S = 0.3
_CHECKED_HASH_IDS, _CHECKED_FOR_HASHES = 50_000, 5_000
"""Hash ids, and rows of a trace that has nothing else to check: under 50 ms, before anything is sent."""
_NEVER_SENT = {"wait_for_cycle", "request_id_not_ascii"}
_TOO_FAST_PER_S = 200
"""Requests/s: what a trace in seconds looks like when it is read as ms."""


class TraceFile:
    """The trace, opened as often as workers and laps want it; its first rows are read and checked once."""

    def __init__(self, path: Path, flags: dict[str, Any]) -> None:
        self.path = path
        self.open: Callable[[], Trace] = lambda: open_trace(
            path,
            format=flags["format_"],
            skip_bad=flags["skip_bad"],
            limit=flags["limit"],
            time_unit=flags["time_unit"],
        )
        self._read = self.open()
        self._ahead = LookAhead.at(self._read, CHECKED_ROWS)
        self._hashing: Future[str] = ThreadPoolExecutor(1).submit(trace_sha256, path)

        self._warned_of_context = self._warned_of_prefixes = False
        self.lanes: LanePlan | None = None
        """Of a load in lanes, once it was checked."""

    def again(self) -> Iterable[TraceRow]:
        """All rows, from the first."""
        return self._ahead.rows if self._ahead.whole else self.open()

    @property
    def requests(self) -> int | None:
        """How many there are; None for a trace too long to be known before it is read."""
        return len(self._ahead.rows) if self._ahead.whole else None

    @property
    def makes_prompts(self) -> bool:
        """Some rows bring no text, as far as the trace was read."""
        return any(row.input_length and not row.has_content for row in self._ahead.rows)

    @property
    def shares_prefixes(self) -> bool:
        """Some row begins with another's blocks, or goes on with its session; as far as the trace was read."""
        begun = set[object]()
        for row in self._ahead.rows:
            opening = ("block", block_key(row, row.hash_ids[0])) if row.hash_ids else None
            whose = opening if row.session_id is None else ("session", row.session_id)
            if whose in begun:
                return True
            if whose is not None:
                begun.add(whose)
        return False

    @property
    def is_independent(self) -> bool:
        """No request waits for another; False for a trace too long to be known before it is read."""
        return self._ahead.whole and not any(row.session_id or row.wait_for for row in self._ahead.rows)

    def check(self, load: Load) -> None:
        """Raises UsageError for stamps or waits that cannot be played, as far as the trace was read.

        For lanes all of it is read: who plays what must be known before anything is sent.
        """
        self._check_rows()
        self.plan(load)
        if self.lanes is not None:
            return
        rows = TraceRows(self._ahead.without_rest(), lambda: self._ahead.rows)
        deque(islice(load.scheduled(rows), len(self._ahead.rows)), maxlen=0)
        if load.by_time and (odd := self._odd_unit()) is not None:
            say(f"imaxproxy: {self.path}: {odd}")

    def plan(self, load: Load) -> None:
        """Who plays what in lanes, where there are any. `check` does it too."""
        self.lanes = load.lane_plan(self.again())

    def _check_rows(self) -> None:
        """What no single row shows. What can never be sent ends it; the rest can be played, and is said."""
        rows = self._ahead.rows
        waits = any(row.session_id is not None or row.wait_for for row in rows)
        checks = TraceChecks(most_hash_ids=_CHECKED_HASH_IDS)
        for row in rows if waits else rows[:_CHECKED_FOR_HASHES]:
            checks.add(str(self.path), row)
        checks.close(whole=self._ahead.whole)
        for kind in _NEVER_SENT & checks.counts.keys():
            raise UsageError(f"{self.path}: {checks.example(kind)}; mend the trace")
        for kind, count in checks.counts.items():
            say(f"imaxproxy: {count} x {kind.replace('_', ' ')}, such as {checks.example(kind)}")

    def warn_of_context(self, limit_tokens: int) -> None:
        """Say how many requests the engine will refuse."""
        if self._warned_of_context:
            return
        self._warned_of_context = True
        rows = self._ahead.rows
        over = sum((row.input_length or 0) + (row.output_length or 0) > limit_tokens for row in rows)
        if over:
            of = f"{len(rows):,}" if self._ahead.whole else f"the first {len(rows):,}"
            say(
                f"imaxproxy: {over:,} of {of} requests are over the model's {limit_tokens:,} tokens, and will fail; "
                f"`imaxproxy trace filter --max-context {limit_tokens}` leaves them out"
            )

    def warn_of_no_prefix_cache(self) -> None:
        """Say that prompts share prefixes, where they do, of which the engine makes nothing."""
        if not self._warned_of_prefixes and self.shares_prefixes:
            self._warned_of_prefixes = True
            say(
                "imaxproxy: the trace's prompts share prefixes, and this recipe keeps none: `prefix_caching = true` in "
                "[limits] of a recipe that extends it switches that on"
            )

    def _odd_unit(self) -> str | None:
        """A unit that cannot be right, as far as the rows in hand show it; a short trace of a usual rate can be."""
        stamps_ms = [row.timestamp_ms for row in self._ahead.rows if row.timestamp_ms is not None]
        span_s = (max(stamps_ms, default=0.0) - min(stamps_ms, default=0.0)) / 1000
        format = FORMATS[self._read.format]
        is_usual = span_s and span_s < 1 and len(stamps_ms) / span_s < _TOO_FAST_PER_S
        if format.time_field is None or not span_s or is_usual:
            return None
        return unit_note(span_s, len(stamps_ms), self._read.time_unit or format.time_unit)

    def rows(self) -> TraceRows:
        """A reading of its own, for one worker."""
        if self._ahead.whole:
            return TraceRows(self._ahead, self.open)
        rest = islice(self.open(), len(self._ahead.rows), None)
        return TraceRows(LookAhead(self._ahead.rows, rest, whole=False), self.open)

    def facts(self, *, wait: bool) -> dict[str, Any]:
        """For the manifest. The hash of a huge file is written when it is known, at the latest at the run's end."""
        try:
            sha256 = self._hashing.result(None if wait else _HASHED_WITHIN_S)
        except TimeoutError:
            sha256 = None
        return {
            "path": str(self.path),
            "sha256": sha256,
            "workload_sha256": self._read.workload_sha256,
            "format": self._read.format,
            "skipped": self._read.skipped,
            "skipped_examples": self._read.skipped_examples,
            "clamped": self._read.clamped,
            "unknown_fields": dict(self._read.unknown_fields),
        }
