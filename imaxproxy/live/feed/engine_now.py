"""What engines say of themselves now: the end of `engine_metrics.jsonl`, of which a line is added each second."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from imaxproxy.clock import NS_PER_S

_TAIL_BYTES = 1 << 15
_WINDOW_NS = 10 * NS_PER_S
_STALE_NS = 10 * NS_PER_S
Json = dict[str, Any]


class EngineNow:
    """Several engines are added up; shares are their mean."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def block(self, at_ns: int) -> Json | None:
        """None where no engine is sampled, or none has answered lately."""
        rows = [row for row in _tail(self._path) if "time_ns" in row and "error" not in row]
        rows = [row for row in rows if at_ns - row["time_ns"] <= _WINDOW_NS + _STALE_NS]
        by_url: dict[str, list[Json]] = {}
        for row in rows:
            by_url.setdefault(str(row.get("url")), []).append(row)
        if not by_url:
            return None
        newest = [samples[-1] for samples in by_url.values()]
        recent = [
            [row for row in samples if samples[-1]["time_ns"] - row["time_ns"] <= _WINDOW_NS]
            for samples in by_url.values()
        ]
        return {
            "running": _sum([row.get("running") for row in newest]),
            "waiting": _sum([row.get("waiting") for row in newest]),
            "kv_usage": _mean([row.get("kv_share") for row in newest]),
            "prefix_hit_share": _mean([_hit_share(samples) for samples in recent]),
            "accepted_per_step": _mean([_accepted(samples) for samples in recent]),
            "preemptions": _sum([row.get("preemptions") for row in newest]),
            "engines": len(by_url),
            "age_s": max(at_ns - min(row["time_ns"] for row in newest), 0) / NS_PER_S,
        }


def _hit_share(samples: Sequence[Json]) -> float | None:
    """Of prompt tokens looked up in the window, those that were found; of engines that do not count, as they say."""
    hits = _grown(samples, "prefix_hits_tokens")
    asked = _grown(samples, "prefix_queries_tokens")
    asked = _grown(samples, "prompt_tokens") if asked is None else asked
    if hits is not None and asked:
        return hits / asked
    return samples[-1].get("prefix_hit_share")


def _accepted(samples: Sequence[Json]) -> float | None:
    """Mean tokens a step and stream of speculative decoding, the one that is always made included."""
    drafts, accepted = _grown(samples, "drafts"), _grown(samples, "accepted_tokens")
    if drafts and accepted is not None:
        return 1 + accepted / drafts
    return samples[-1].get("accept_length_tokens") or None  # engines without drafts say 0


def _grown(samples: Sequence[Json], name: str) -> float | None:
    """Of a counter; None where it is not told, or began anew."""
    values = [row[name] for row in samples if name in row]
    return values[-1] - values[0] if len(values) > 1 and values[-1] >= values[0] else None


def _tail(path: Path) -> list[Json]:
    """The last whole lines."""
    try:
        with path.open("rb") as file:
            start = max(file.seek(0, os.SEEK_END) - _TAIL_BYTES, 0)
            file.seek(start)
            data = file.read()
    except OSError:  # nobody samples, or not yet
        return []
    lines = data.splitlines(keepends=True)[1 if start else 0 :]
    rows: list[Json] = []
    for line in lines:
        if line.endswith(b"\n"):
            rows.append(orjson.loads(line))
    return rows


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
