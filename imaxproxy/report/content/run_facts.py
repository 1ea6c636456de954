"""What a report says of one run: what it was, how to play it again, what to know before it is believed."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from imaxproxy.report.table import COLUMNS, LATENCIES, notes_of
from imaxproxy.runs.record import RunRecord

_ENGINE_SHOWN = (
    *("model", "recipe", "engine", "version", "gpu", "gpus", "precision", "tp", "ep", "dp_attention", "replicas"),
    *("disaggregated", "draft_tokens", "image", "said_by", "clock", "time_scale", "expected_error"),
)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run, without its requests."""

    name: str
    path: str
    started_at: str | None
    duration_s: float
    ended: str
    simulated: bool
    engine: Mapping[str, Any]
    trace: str | None
    requests: Mapping[str, Any]
    tokens: Mapping[str, Any]
    latencies: Mapping[str, Mapping[str, float | None]]
    """By metric: p50, p90, p99, p999 and mean in ms, count; of the whole run."""
    meter_valid: bool
    meter: Mapping[str, Any]
    warnings: tuple[str, ...]
    """Why it is not to be believed as it stands."""
    notes: tuple[str, ...]
    again: str | None
    """The command that plays it again; None where the manifest is missing."""
    version: str | None
    host: str | None
    slo: str | None
    energy: Mapping[str, Any] | None


def run_facts(record: RunRecord, name: str) -> RunFacts:
    """name: what the report calls it."""
    summary, manifest = record.summary, record.manifest
    trace = summary["trace"] or {}
    return RunFacts(
        name=name,
        path=str(record.directory.path),
        started_at=summary["started_at"],
        duration_s=summary["duration_s"],
        ended=summary["ended"],
        simulated=record.simulated,
        engine={key: record.engine[key] for key in _ENGINE_SHOWN if record.engine.get(key) not in (None, False)},
        trace=f"{trace.get('path')} (sha256 {str(trace.get('sha256'))[:12]})" if trace else None,
        requests={key: summary["requests"][key] for key in ("sent", "completed", "failed", "aborted", "truncated")}
        | {"by_error": summary["requests"]["by_error"]},
        tokens=summary["tokens"],
        latencies={
            metric: {key: summary[metric][key] for key in (*(column for column, _ in COLUMNS), "mean", "count")}
            for metric, _ in LATENCIES
            if summary[metric]["count"]
        },
        meter_valid=summary["meter"]["valid"],
        meter=_meter(summary),
        warnings=tuple(summary["meter"]["reasons"]),
        notes=tuple(notes_of(summary)),
        again=None if manifest is None else _again(manifest.argv),
        version=None if manifest is None else manifest.version,
        host=None if manifest is None else _host(manifest.host),
        slo=_slo(summary["slo"]),
        energy=_energy(summary["energy"]),
    )


def names_of(paths: list[str]) -> list[str]:
    """Each path's last folder; more folders where several would be called the same."""
    parts = [PurePath(path).parts or (path,) for path in paths]
    depth = [1] * len(parts)
    while True:
        names = ["/".join(each[-count:]) for each, count in zip(parts, depth, strict=True)]
        clashing = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
        grown = [
            min(count + (name in clashing), len(each)) for name, count, each in zip(names, depth, parts, strict=True)
        ]
        if grown == depth:
            return names
        depth = grown


def _again(argv: list[str]) -> str | None:
    """`imaxproxy`, whatever file it was started from; with an --out of its own, for a run is never overwritten."""
    if not argv:
        return None
    return shlex.join(["imaxproxy", *argv[1:]])


def _host(host: dict[str, Any]) -> str:
    return f"{host.get('name')}: {host.get('system')}, {host.get('cpus')} CPUs, Python {host.get('python')}"


def _meter(summary: dict[str, Any]) -> dict[str, Any]:
    meter = summary["meter"]
    return {
        "cpu_share": meter["cpu_share"],
        "loop_lag_p99_ms": (meter["loop_lag_ms"] or {}).get("p99"),
        "coalesced_event_share": meter["coalesced_event_share"],
        "offered_rate": meter["offered_rate"],
        "achieved_rate": meter["achieved_rate"],
        "send_lag_p99_ms": summary["send_lag_ms"]["p99"],
    }


def _slo(slo: dict[str, Any] | None) -> str | None:
    if slo is None:
        return None
    objectives = "; ".join(f"{part['objective']}: {part['share']:.1%}" for part in slo["objectives"] if part["share"])
    share = "unknown" if slo["attainment"] is None else f"{slo['attainment']:.1%}"
    return f"{'met' if slo['met'] else 'NOT met'} ({slo['window']}): {objectives}; all at once {share}"


def _energy(energy: dict[str, Any] | None) -> dict[str, Any] | None:
    """Its validity, and the whole run's joules with their error."""
    if energy is None:
        return None
    whole = (energy.get("windows") or {}).get("whole") or {}
    return {
        "valid": energy["valid"],
        "reasons": energy["reasons"],
        "warnings": energy["warnings"],
        "detail": energy["detail"],
        "boundary": energy.get("boundary"),
        "source": energy.get("source"),
        "energy_j": whole.get("energy_j"),
        "power_w": whole.get("power_w"),
        "relative_error": whole.get("relative_error"),
    }
