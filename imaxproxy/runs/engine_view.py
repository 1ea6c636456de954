"""The engine's own view of a run: its /metrics over the run, and its own times of requests beside ours."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import orjson

from imaxproxy.metrics import Differences, Exchange, Window, formulas
from imaxproxy.runs.directory import RunDirectory

SCHEMA = "imaxproxy.engine_metrics/1"
_GAUGES = ("running", "waiting", "kv_share")
_COUNTERS = (
    "prompt_tokens",
    "output_tokens",
    "prefix_queries_tokens",
    "prefix_hits_tokens",
    "preemptions",
    "drafts",
    "draft_tokens",
    "accepted_tokens",
)
_NS_PER_MS = 1e6
Row = dict[str, Any]


class TimingView:
    """Our TTFT and TPOT beside the engine's own, request by request. Mergeable."""

    def __init__(self) -> None:
        self._ttft, self._itl = Differences(), Differences()

    def add(self, exchange: Exchange) -> None:
        if exchange.timing is not None:
            self._ttft.add(_ms(formulas.ttft_ns(exchange)), exchange.timing.ttft_ms)
            self._itl.add(_ms(formulas.tpot_ns(exchange)), exchange.timing.itl_ms)

    def merge(self, other: "TimingView") -> None:
        self._ttft.merge(other._ttft)
        self._itl.merge(other._itl)

    def stats(self) -> Row | None:
        """What ours has over the engine's, in ms; None when the engine tells no times."""
        ttft, itl = self._ttft.stats(), self._itl.stats()
        return None if ttft is None and itl is None else {"ttft_over_engines": ttft, "tpot_over_engines": itl}


def engine_metrics(run: RunDirectory, steady: Window | None) -> list[Row]:
    """Of each engine that was sampled: what it said over the run, and over the steady window. [] when none was.

    Counters are what was added between the first and the last sample; gauges are means over samples, a second apart.
    """
    rows = _rows(run)
    if not rows:
        return []
    views = []
    for source in rows[0]["sources"]:
        samples = [row for row in rows[1:] if row.get("url") == source["url"]]
        view = {**source, **_view(samples)}
        if steady is not None:
            view["steady"] = _view([row for row in samples if steady.holds(row["time_ns"])])
        views.append(view)
    return views


def over_engines(view: Row, means_ms: dict[str, float | None]) -> Row:
    """`ttft_over_engines_ms`, `itl_over_engines_ms`: our mean less the mean of the engine's own histogram.

    means_ms: ours, of `ttft` and `itl`. None where one of the two is not known. Of the whole run, the engine's other
    clients included; a stream that was under way when the run began or ended counts on one side only.
    """
    return {
        f"{name}_over_engines_ms": mean_ms - view[f"{name}_ms"]["mean"]
        if mean_ms is not None and view[f"{name}_ms"]
        else None
        for name, mean_ms in means_ms.items()
    }


def _view(samples: Sequence[Row]) -> Row:
    good = [row for row in samples if "error" not in row]
    view: Row = {"samples": len(good), "failed_samples": len(samples) - len(good)}
    for name in _GAUGES:
        values = [row[name] for row in good if name in row]
        view[name] = {"mean": sum(values) / len(values), "max": max(values)} if values else None
    added = {name: _added(good, name) for name in _COUNTERS}
    view |= added
    view["prefix_hit_share"] = _prefix_hit_share(good, added)
    view["accept_length_tokens"] = _accept_length(good, added)
    for name in ("ttft", "itl"):
        total_s, count = _added(good, f"{name}_seconds_sum"), _added(good, f"{name}_seconds_count")
        view[f"{name}_ms"] = {"mean": 1000 * total_s / count, "count": count} if total_s is not None and count else None
    return view


def _added(samples: Sequence[Row], name: str) -> float | None:
    """A counter's growth; None where it is not told, or began anew: the engine was started again."""
    values = [row[name] for row in samples if name in row]
    if len(values) < 2 or any(after < before for before, after in pairwise(values)):
        return None
    grown: float = values[-1] - values[0]
    return grown


def _prefix_hit_share(samples: Sequence[Row], added: Row) -> float | None:
    """Tokens found in the prefix cache, of those looked up; of all prompt tokens where look-ups are not counted."""
    hits = added["prefix_hits_tokens"]
    looked_up = added["prefix_queries_tokens"] if added["prefix_queries_tokens"] is not None else added["prompt_tokens"]
    if hits is not None and looked_up:
        share: float = hits / looked_up
        return share
    return _mean(samples, "prefix_hit_share")


def _accept_length(samples: Sequence[Row], added: Row) -> float | None:
    """Mean tokens a step and stream of speculative decoding: the accepted drafts, and the token that is always made."""
    if added["drafts"] and added["accepted_tokens"] is not None:
        length: float = 1 + added["accepted_tokens"] / added["drafts"]
        return length
    return _mean(samples, "accept_length_tokens") or None  # engines without drafts say 0


def _mean(samples: Sequence[Row], name: str) -> float | None:
    values = [row[name] for row in samples if name in row]
    return sum(values) / len(values) if values else None


def _rows(run: RunDirectory) -> list[Row]:
    """The file's lines; a last one that was cut by a kill is left out."""
    try:
        text = run.engine_metrics.read_bytes()
    except FileNotFoundError:
        return []
    lines = text.splitlines(keepends=True)
    rows = [orjson.loads(line) for line in lines if line.endswith(b"\n")]
    return rows if rows and rows[0].get("schema") == SCHEMA else []


def _ms(time_ns: float | None) -> float | None:
    return None if time_ns is None else time_ns / _NS_PER_MS
