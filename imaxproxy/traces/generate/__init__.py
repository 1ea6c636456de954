"""Workloads from specs: one file a kind, `spec.py` the door."""

from imaxproxy.traces.generate.spec import KINDS, Spec, load_spec, shipped_specs

__all__ = ["KINDS", "Spec", "load_spec", "shipped_specs"]
