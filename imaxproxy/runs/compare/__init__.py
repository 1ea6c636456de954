"""Run against run: each metric with its change, how sure that is, and a verdict against a threshold."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from imaxproxy.metrics import share_difference
from imaxproxy.metrics.bootstrap import RESAMPLES, percentile_of, ratio_interval
from imaxproxy.runs.axes import AXES
from imaxproxy.runs.compare.figures import LATENCIES, Columns, Figures, Key, read_all, read_figures
from imaxproxy.runs.compare.pairs import Pairs
from imaxproxy.runs.compare.repeated import rows_of
from imaxproxy.runs.compare.verdict import Row, Verdict, judge, overall
from imaxproxy.runs.points import all_steady, unlike
from imaxproxy.runs.record import RunRecord

__all__ = [
    "SCHEMA",
    "Figures",
    "Key",
    "Pairs",
    "Row",
    "Verdict",
    "compare",
    "compare_all",
    "compare_repeats",
    "read_figures",
]

SCHEMA = "imaxproxy.compare/1"
PAIRED_FROM = 0.5
"""So much of the smaller run has to have its like in the other, or the runs are compared as two crowds."""
FAILURE_POINTS = 0.01
"""A share of failed requests that grew by more than a point is a regression, if it surely grew."""
_BOOTSTRAP = f"bootstrap of the percentile, {RESAMPLES} resamples"
_ALONE = "one figure a run: the threshold alone decides"
_RATES = (("output_tokens_per_s", "output tokens/s"), ("total_tokens_per_s", "input + output tokens/s"))
_NAMED = ("model", "engine", "version", "gpu", "gpus", "precision", "recipe")
_AS_IT_CAME = {"speed": 1.0, "history": "recorded"}
"""The flags that play a recording of live traffic as it came."""
_LOAD = ("concurrency", "rate", "session_rate", "speed", "arrivals", "limit", "duration", "history", "max_idle_gap")


def compare_all(records: Sequence[RunRecord], threshold: float) -> list[dict[str, Any]]:
    """Every run against the first one."""
    figures = read_all([record.directory.path for record in records])
    first, *others = zip(records, figures, strict=True)
    return [compare(first[0], record, first[1], found, threshold) for record, found in others]


def compare_repeats(a: Sequence[RunRecord], b: Sequence[RunRecord], threshold: float) -> dict[str, Any]:
    """`imaxproxy.compare/1` of several runs against several, two of each at least."""
    rows = rows_of(a, b, threshold)
    return {
        "schema": SCHEMA,
        "a": _about_all(a),
        "b": _about_all(b),
        "threshold": threshold,
        "paired": None,
        "not_paired_because": "several runs are compared as runs: they are independent, their requests are not",
        "rows": [row.as_dict() for row in rows],
        "warnings": unlike((*a, *b)) + _loads(a[0], b[0]),
        "verdict": overall(rows).value,
    }


def _about_all(records: Sequence[RunRecord]) -> dict[str, Any]:
    about = _about(records[0])
    return about | {
        "path": f"{records[0].directory.path.parent} ({len(records)} runs)",
        "simulated": any(record.simulated for record in records),
        "requests": sum(record.summary["requests"]["sent"] for record in records),
    }


def compare(
    a: RunRecord, b: RunRecord, of_a: dict[Key, Figures], of_b: dict[Key, Figures], threshold: float
) -> dict[str, Any]:
    """`imaxproxy.compare/1` of b against a. threshold: a relative change that matters, 0.05 for 5 %."""
    pairs = Pairs.of(of_a, of_b)
    why_not = _why_unpaired(a, b, pairs, len(of_a), len(of_b))
    rows = [] if why_not else pairs.rows(threshold)
    shares = (0.99,) if rows else (0.5, 0.99)
    rows += _tails(shares, of_a, of_b, threshold)
    rows += _rates(a, b, threshold)
    rows += _joules(a, b, threshold)
    rows += [row for row in (_failures(of_a, of_b), _attainment(a, b)) if row is not None]
    return {
        "schema": SCHEMA,
        "a": _about(a),
        "b": _about(b),
        "threshold": threshold,
        "paired": None if why_not else pairs.differences(),
        "not_paired_because": why_not,
        "rows": [row.as_dict() for row in rows],
        "warnings": unlike((a, b)) + _loads(a, b),
        "verdict": overall(rows).value,
    }


def _about(record: RunRecord) -> dict[str, Any]:
    engine = record.engine
    return {
        "path": str(record.directory.path),
        "simulated": record.simulated,
        "started_at": record.summary["started_at"],
        "engine": {key: engine.get(key) for key in _NAMED} | {"model": record.model},
        "requests": record.summary["requests"]["sent"],
    }


def _why_unpaired(a: RunRecord, b: RunRecord, pairs: Pairs, count_a: int, count_b: int) -> str | None:
    """None where requests can be held against each other."""
    if None not in (a.workload, b.workload) and a.workload != b.workload:
        return "the runs played different traces"
    fewer = min(count_a, count_b)
    if len(pairs) < PAIRED_FROM * fewer or not fewer:
        return f"{len(pairs)} of {fewer} requests have a name that both runs know"
    return None


def _tails(shares: Sequence[float], of_a: dict[Key, Figures], of_b: dict[Key, Figures], threshold: float) -> list[Row]:
    """A row a latency and percentile that both runs have."""
    a, b = (Columns.of(list(side.values())) for side in (of_a, of_b))
    rows = []
    for name in LATENCIES:
        before, after = (sorted([value for value in getattr(side, name) if value is not None]) for side in (a, b))
        for share in shares:
            if before and after and (found := ratio_interval(before, after, share)) is not None:
                rows.append(
                    _tail(name, share, percentile_of(before, share), percentile_of(after, share), found, threshold)
                )
    return rows


def _tail(
    name: str, share: float, before: float, after: float, ratio: tuple[float, float, float], threshold: float
) -> Row:
    change, low, high = (each - 1 for each in ratio)
    verdict = judge(change, low, high, threshold)
    metric = f"{name.removesuffix('_ms')} p{share * 100:g}"
    return Row(metric, "ms", before, after, change, low, high, None, _BOOTSTRAP, verdict)


def _rates(a: RunRecord, b: RunRecord, threshold: float) -> list[Row]:
    """Throughput of the steady windows where both have one. In an open loop it says what was offered."""
    is_steady = all_steady((a, b))
    sides = [record.summary["windows"]["steady"] if is_steady else record.summary for record in (a, b)]
    rows = []
    for name, unit in _RATES:
        before, after = (side["throughput"][name] for side in sides)
        if before and after is not None:
            change = after / before - 1
            verdict = judge(change, None, None, threshold, higher_is_better=True)
            rows.append(Row("throughput", unit, before, after, change, None, None, None, _ALONE, verdict))
    return rows


def _joules(a: RunRecord, b: RunRecord, threshold: float) -> list[Row]:
    """Of an output token, where both runs measured their boards and may be believed."""
    read, is_steady = AXES["j_output"][1], all_steady((a, b))
    before, after = (
        read(record.summary, record.summary["windows"]["steady"] if is_steady else record.summary) for record in (a, b)
    )
    if not before or after is None:
        return []
    change = after / before - 1
    verdict = judge(change, None, None, threshold)
    return [Row("board energy", "J/output token", before, after, change, None, None, None, _ALONE, verdict)]


def _failures(of_a: dict[Key, Figures], of_b: dict[Key, Figures]) -> Row | None:
    """Requests that failed or were cut; those that our own side gave up are none."""
    if not of_a or not of_b:
        return None
    bad = [sum(row.outcome in {"failed", "truncated"} for row in side.values()) for side in (of_a, of_b)]
    row = _share("failed or cut", bad[0], len(of_a), bad[1], len(of_b), higher_is_better=False)
    return (
        row if any(bad) else replace(row, verdict=Verdict.SAME)
    )  # no run is long enough to prove that none ever fails


def _attainment(a: RunRecord, b: RunRecord) -> Row | None:
    """Requests within the SLO, where both runs had the same one."""
    slos = [record.summary["slo"] for record in (a, b)]
    if None in slos or len({record.settings.get("slo") for record in (a, b)}) > 1:
        return None
    judged = [slo["whole"]["requests"] for slo in slos]
    if not all(judged):
        return None
    good = [slo["whole"]["good"] for slo in slos]
    return _share("within the SLO", good[0], judged[0], good[1], judged[1], higher_is_better=True)


def _share(metric: str, hits_a: int, count_a: int, hits_b: int, count_b: int, *, higher_is_better: bool) -> Row:
    change, low, high = share_difference(hits_a, count_a, hits_b, count_b)
    verdict = judge(change, low, high, FAILURE_POINTS, higher_is_better=higher_is_better)
    method = f"Newcombe's interval of the difference, {FAILURE_POINTS * 100:g} percentage point allowed"
    return Row(metric, "share", hits_a / count_a, hits_b / count_b, change, low, high, None, method, verdict)


def _loads(a: RunRecord, b: RunRecord) -> list[str]:
    """Loads that differ; a run's verdict would be of the load, not of the engine."""
    loads = [_AS_IT_CAME if record.is_live_traffic else record.settings for record in (a, b)]
    different = [
        f"{name} {_word(loads[0].get(name))} against {_word(loads[1].get(name))}"
        for name in _LOAD
        if loads[0].get(name) != loads[1].get(name)
    ]
    return [f"runs of different loads: {', '.join(different)}"] if different else []


def _word(value: object) -> str:
    return "none" if value is None else str(value)
