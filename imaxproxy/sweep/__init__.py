"""Sweeps: a spec of recipes, workloads and loads; the points it means, what became of them, where a curve ends."""

from imaxproxy.sweep.knee import KNEE_RULE, is_past_knee
from imaxproxy.sweep.point import Curve, Point, Variant
from imaxproxy.sweep.record import DONE, FAILED, PENDING, SKIPPED, SweepRecord, finished
from imaxproxy.sweep.spec import SweepSpec, load_sweep

__all__ = [
    "DONE",
    "FAILED",
    "KNEE_RULE",
    "PENDING",
    "SKIPPED",
    "Curve",
    "Point",
    "SweepRecord",
    "SweepSpec",
    "Variant",
    "finished",
    "is_past_knee",
    "load_sweep",
]
