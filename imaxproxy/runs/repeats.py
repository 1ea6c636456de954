"""The same load played several times: how far the figures of single runs lie apart."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from imaxproxy.metrics import METRICS, t_interval

SCHEMA = "imaxproxy.repeats/1"
_OF_METRICS = ("mean", "p50", "p90", "p99")
_RATES = ("requests_per_s", "output_tokens_per_s", "total_tokens_per_s")


def repeats(summaries: Sequence[dict[str, Any]], runs: Sequence[str]) -> dict[str, Any]:
    """`repeats.json`: for each figure its mean over the runs, and the mean's 95 % confidence interval.

    Figures are those of the steady windows where every run has one, else those of whole runs. An interval is Student's
    t over one value a run: requests of one run depend on each other, runs do not. A figure that a run lacks has none.
    """
    steady = [summary["windows"]["steady"] for summary in summaries]
    window = "whole" if None in steady else "steady"
    parts = list(summaries) if window == "whole" else steady
    figures = {name: [part["throughput"][name] for part in parts] for name in _RATES}
    figures |= {f"{name}.{what}": [part[name][what] for part in parts] for name in METRICS for what in _OF_METRICS}
    return {
        "schema": SCHEMA,
        "simulated": any(summary["simulated"] for summary in summaries),
        "runs": list(runs),
        "window": window,
        "figures": {
            name: {**asdict(t_interval(values)), "values": values} if None not in values else None
            for name, values in figures.items()
        },
        "meter_valid": [summary["meter"]["valid"] for summary in summaries],
        "slo_met": [None if summary["slo"] is None else summary["slo"]["met"] for summary in summaries],
    }
