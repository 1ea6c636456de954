"""The power keys of InferenceX's aggregate and its sidecar `power_validation_*.json`: valid or not, and why not.

Its rules (`aggregate_power.py`, 2026-08): each GPU's watts integrated by trapezoid over the benchmark's window with
linear edges; valid only if the GPUs are as many as the deployment has, the window is bracketed and no gap is over 3 s.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean
from typing import Any

from imaxproxy.runs.exports.inferencex.gpu_metrics import Reading

METHOD = "per_device_trapezoidal_with_linear_boundary_interpolation"
MOST_GAP_S = 3.0


@dataclass(slots=True)
class Integration:
    """What the readings of a window come to."""

    start_s: float
    end_s: float
    expected: int | None
    reasons: list[str] = field(default_factory=list)
    """Why it is not valid; none: it is."""
    samples: dict[str, int] = field(default_factory=dict)
    gaps_s: dict[str, float] = field(default_factory=dict)
    energy_j: dict[str, float] = field(default_factory=dict)
    issues: dict[str, list[str]] = field(default_factory=dict)

    def blame(self, reason: str, gpu: str | None = None) -> None:
        if reason not in self.reasons:
            self.reasons.append(reason)
        if gpu is not None:
            self.issues.setdefault(gpu, []).append(reason)


def integrate(rows: Sequence[Reading], start_s: float, end_s: float, expected: int | None) -> Integration:
    """Integrate each GPU's power over [start_s, end_s], unix seconds. expected: how many GPUs; None: not checked."""
    made = Integration(start_s, end_s, expected)
    by_gpu: dict[int, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if start_s - MOST_GAP_S <= row.unix_s <= end_s + MOST_GAP_S:
            by_gpu[row.index][row.unix_s].append(row.power_w)
    if not by_gpu:
        made.blame("no_usable_power_samples" if rows else "telemetry_file_missing")
        return made
    if expected is not None and len(by_gpu) != expected:
        made.blame("expected_gpu_count_mismatch")
    for index in sorted(by_gpu):
        points = sorted((at_s, fmean(watts)) for at_s, watts in by_gpu[index].items())
        _integrate_gpu(made, str(index), points)
    return made


def _integrate_gpu(made: Integration, gpu: str, points: list[tuple[float, float]]) -> None:
    made.samples[gpu] = len(points)
    times_s = [at_s for at_s, _ in points]
    if len(points) < 2:
        made.blame("insufficient_power_samples", gpu)
        return
    if times_s[0] > made.start_s or times_s[-1] < made.end_s:
        made.blame("benchmark_window_not_bracketed", gpu)
        return
    first, last = bisect_right(times_s, made.start_s) - 1, bisect_left(times_s, made.end_s)
    made.gaps_s[gpu] = max((later - sooner for sooner, later in pairwise(times_s[first : last + 1])), default=0.0)
    if made.gaps_s[gpu] > MOST_GAP_S:
        made.blame("sampling_gap_exceeded", gpu)
    inside = [point for point in points[first : last + 1] if made.start_s < point[0] < made.end_s]
    ends = ((at_s, _watts_at(points, times_s, at_s)) for at_s in (made.start_s, made.end_s))
    begin, finish = ends
    made.energy_j[gpu] = sum(
        (later - sooner) * (before + after) / 2
        for (sooner, before), (later, after) in pairwise([begin, *inside, finish])
    )


def _watts_at(points: list[tuple[float, float]], times_s: list[float], at_s: float) -> float:
    """Linear between the two neighbours; at_s lies between the first and the last."""
    after = bisect_left(times_s, at_s)
    if times_s[after] == at_s:
        return points[after][1]
    (sooner, before), (later, behind) = points[after - 1], points[after]
    return before + (behind - before) * (at_s - sooner) / (later - sooner)


def power_metrics(made: Integration, raw: dict[str, Any]) -> dict[str, float] | None:
    """The aggregate's keys; None where the power is not valid. Each J/token is of all the energy: they do not add."""
    given, out, completed = raw["total_input_tokens"], raw["total_output_tokens"], raw["completed"]
    for amount, reason in (
        (completed, "invalid_successful_query_count"),
        (given, "invalid_input_token_count"),
        (out, "invalid_output_token_count"),
    ):
        if not amount:
            made.blame(reason)
    if made.reasons:
        return None
    energy_j = sum(made.energy_j.values())
    watts = energy_j / (made.end_s - made.start_s)
    return {
        "avg_power_w": round(watts / len(made.energy_j), 3),
        "avg_total_gpu_power_w": round(watts, 3),
        "total_gpu_energy_j": round(energy_j, 3),
        "joules_per_successful_query": round(energy_j / completed, 6),
        "joules_per_input_token": round(energy_j / given, 6),
        "joules_per_output_token": round(energy_j / out, 6),
        "joules_per_total_token": round(energy_j / (given + out), 6),
    }


def sidecar(
    made: Integration, raw: dict[str, Any], metrics: dict[str, float] | None, files: tuple[str, str]
) -> dict[str, Any]:
    """`power_validation_*.json`. files: the names of the CSV and of the result."""
    return {
        "schema_version": 1,
        "power_valid": metrics is not None,
        "reasons": made.reasons,
        "telemetry_source": files[0],
        "benchmark_result": files[1],
        "benchmark_window": {
            "start_time_unix": made.start_s,
            "end_time_unix": made.end_s,
            "reported_duration_s": raw["duration"],
            "integration_duration_s": made.end_s - made.start_s,
            "completed": raw["completed"],
            "total_input_tokens": raw["total_input_tokens"],
            "total_output_tokens": raw["total_output_tokens"],
        },
        "integration_method": METHOD,
        "expected_gpu_count": made.expected,
        "observed_gpu_count": len(made.samples),
        "observed_gpu_ids": list(made.samples),
        "per_gpu_sample_counts": made.samples,
        "per_gpu_max_sample_gap_s": made.gaps_s,
        "per_gpu_energy_j": made.energy_j,
        "device_issues": made.issues,
        "accumulator_check": None,
        "metrics": metrics or {},
    }
