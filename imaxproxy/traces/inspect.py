"""What a trace holds: how much, how long, how bursty, how much of its prompts is shared, what is odd about it."""

import hashlib
import math
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson

from imaxproxy.traces.checks import TraceChecks
from imaxproxy.traces.formats import FORMATS
from imaxproxy.traces.reader import Trace
from imaxproxy.traces.reuse import PrefixReuse
from imaxproxy.traces.row import TraceRow
from imaxproxy.traces.stamps import Stamps, unit_note

_QUANTILES = (("p50", 0.50), ("p90", 0.90), ("p99", 0.99))


def inspect_trace(trace: Trace, max_context: int | None = None) -> dict[str, Any]:
    """Read the whole trace once and describe it; null where the trace does not say. JSON-ready.

    max_context: the model's limit of tokens; rows whose input and output exceed it are counted.
    """
    lengths = {name: array("q") for name in ("input_length", "output_length", "reasoning_length")}
    stamps, reuse, names, sessions, checks = Stamps(), PrefixReuse(), _Names(), _Sessions(), TraceChecks()
    over = 0
    for where, row in trace.placed():
        for name, values in lengths.items():
            value = getattr(row, name)
            if value is not None:
                values.append(value)
        over += max_context is not None and (row.input_length or 0) + (row.output_length or 0) > max_context
        for each in (stamps, reuse, names, sessions):
            each.add(row)
        checks.add(where, row)
    checks.close()
    described = {
        "format": trace.format,
        "path": str(trace.path),
        "requests": trace.rows,
        "sessions": sessions.count,
        **sessions.described(),
        **{name: quantiles(values) for name, values in lengths.items()},
        **stamps.described(),
        "time_unit": FORMATS[trace.format].time_unit if trace.time_unit is None else trace.time_unit,
        "prefix_reuse": reuse.described(),
        **names.described(),
        "over_context": None if max_context is None else {"limit": max_context, "requests": over},
        "broken": dict(checks.counts),
        "broken_examples": checks.examples,
        "duplicate_request_ids": checks.counts["duplicate_request_id"],
        "skipped": trace.skipped,
        "skipped_examples": trace.skipped_examples,
        "left_out": dict(trace.left_out),
        "clamped": trace.clamped,
        "unknown_fields": dict(trace.unknown_fields),
    }
    return described | {"notes": _notes(described)}


def quantiles(values: Sequence[float]) -> dict[str, float] | None:
    """Mean, quantiles by linear interpolation between order statistics (numpy's default), maximum. None when empty."""
    if not values:
        return None
    ordered = sorted(values)
    found = {name: _quantile(ordered, share) for name, share in _QUANTILES}
    return {"count": len(ordered), "mean": sum(ordered) / len(ordered), **found, "max": ordered[-1]}


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


class _Names:
    """How the rows' lengths are forced, and what kinds and models they are of."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {
            "output_modes": Counter(),
            "request_kinds": Counter(),
            "models": Counter(),
        }
        self._cancelled = 0

    def add(self, row: TraceRow) -> None:
        for name, value in zip(self._counts, (row.output_mode, row.request_kind, row.model), strict=True):
            if value is not None:
                self._counts[name][value] += 1
        self._cancelled += row.cancel_after_tokens is not None or row.cancel_after_ms is not None

    def described(self) -> dict[str, Any]:
        return {name: dict(counts) for name, counts in self._counts.items()} | {"cancelled": self._cancelled}


class _Sessions:
    """Turns and waits of the sessions that the trace names, and which sessions are the same again."""

    def __init__(self) -> None:
        self._turns: Counter[str] = Counter()
        self._digests: dict[str, bytes] = {}
        self._subagents: set[str] = set()
        self._waits_ms = array("d")

    @property
    def count(self) -> int:
        return len(self._turns)

    def add(self, row: TraceRow) -> None:
        if row.session_id is None:
            return
        self._turns[row.session_id] += 1
        if row.parent_session_id is not None:
            self._subagents.add(row.session_id)
        if row.delay_ms is not None or row.tool_wait_ms is not None:
            self._waits_ms.append(row.wait_ms)
        self._digests[row.session_id] = session_digest(self._digests.get(row.session_id, b""), row)

    def described(self) -> dict[str, Any]:
        return {
            "subagent_sessions": len(self._subagents),
            "turns": quantiles(list(self._turns.values())),
            "wait_ms": quantiles(self._waits_ms),
            "duplicate_sessions": len(self._digests) - len(set(self._digests.values())),
        }


def session_digest(before: bytes, row: TraceRow) -> bytes:
    """What the session has asked up to this row, whatever its name and times."""
    asked = [row.input_length, row.output_length, row.hash_ids, row.messages, row.body, row.prompt, row.text_input]
    return hashlib.blake2b(before + orjson.dumps(asked), digest_size=16).digest()


def _notes(described: dict[str, Any]) -> list[str]:
    """What a reader should know before trusting or replaying this trace."""
    notes = []
    if described["tick_ms"] is not None:
        notes.append(
            f"{described['tied_share']:.1%} of neighbouring stamps are equal, on ticks of about "
            f"{described['tick_ms']:g} ms: the CV of {described['gap_cv']:.2f} is an artefact, and a replay as it "
            f"stands is a square wave; spread the ties (--spread-ties {described['tick_ms']:.0f})"
        )
    has_unit = FORMATS[described["format"]].time_field is not None
    if has_unit and described["span_s"] is not None:
        odd = unit_note(described["span_s"], described["requests"], described["time_unit"])
        notes += [odd] if odd is not None else []
    if not described["sessions"]:
        notes.append("no row names a session: each is replayed on its own")
    if described["duplicate_sessions"]:
        notes.append(
            f"{described['duplicate_sessions']} sessions ask the same as another one: prefix reuse is inflated; "
            f"`imaxproxy trace filter --dedupe` leaves them out"
        )
    if described["duplicate_request_ids"]:
        notes.append(f"{described['duplicate_request_ids']} rows repeat a request_id: compare cannot join them")
    notes += [f"left out: {count} {reason}" for reason, count in described["left_out"].items()]
    return notes
