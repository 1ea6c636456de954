"""What `energy` in summary.json says of single devices and of the sampler."""

import re
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from imaxproxy.clock import NS_PER_MS
from imaxproxy.power import DeviceEnergy, EventKind, Recording, Series, WindowEnergy, device_energy


def device_part(series: Series, found: DeviceEnergy, whole: WindowEnergy, idle_w: float | None) -> dict[str, Any]:
    """A counted board over the whole run."""
    device = series.device
    return {
        "device": device.device,
        "index": device.index,
        "name": device.name,
        "host": device.host,
        "counted_by": device.counted_by,
        "energy_j": found.energy_j,
        "power_w": _mean_w(found.energy_j, whole.duration_s),
        "idle_w": idle_w if idle_w is not None else device.idle_w,
        "limit_w": device.limit_w,
        "default_limit_w": device.default_limit_w,
        "method": found.method,
        "crosscheck": found.crosscheck,
        "counter_update_ms": device.counter_update_ms,
        "power_update_ms": device.power_update_ms,
        "throttled_share": series.throttled_share(whole.begin_ns, whole.end_ns),
        "temperature_c": max(series.temperature_c, default=None),
    }


def left_out_part(left_out: Sequence[Series]) -> list[dict[str, Any]]:
    """Boards that were seen and not counted: who reads the figures knows what is not in them."""
    return [
        {
            "device": each.device.device,
            "index": each.device.index,
            "name": each.device.name,
            "why": _why_left_out(each.device.counted_by),
        }
        for each in left_out
    ]


def _why_left_out(counted_by: str | None) -> str:
    return f"others are counted, {counted_by}" if counted_by else "not known whose it is"


def beside_part(series: Series, begin_ns: int, end_ns: int) -> dict[str, Any]:
    """A CPU package or memory of the host. Never added to the boards: all of the host's work is in it."""
    found = device_energy(series, begin_ns, end_ns)
    return {
        "device": series.device.device,
        "boundary": series.device.boundary,
        "parent": series.device.parent,
        "energy_j": found.energy_j,
        "power_w": _mean_w(found.energy_j, (end_ns - begin_ns) / 1e9),
    }


def sampler_part(recording: Recording, whole: WindowEnergy) -> dict[str, Any]:
    """How the samples were taken, and what that cost."""
    counted = recording.counted
    gaps_ns = [gap for each in counted for gap in map(_gap, pairwise(each.times_ns))]
    stopped = recording.happened(EventKind.STOPPED)
    cost = dict(re.findall(r"(\w+)=([\d.]+)", stopped[-1].detail or "")) if stopped else {}
    wall_s = float(cost.get("wall_s", 0))
    return {
        "samples": sum(len(each.times_ns) for each in counted),
        "bad_samples": sum(each.bad_samples + len(each.jumps_ns) for each in counted),
        "tick_ms": statistics.median(gaps_ns) / NS_PER_MS if gaps_ns else None,
        "max_gap_ms": max((each.max_gap_ns(whole.begin_ns, whole.end_ns) for each in counted), default=0) / NS_PER_MS,
        "cpu_share": float(cost["cpu_s"]) / wall_s if wall_s else None,
        "late_ticks": int(cost["late"]) if "late" in cost else None,
        "events": [event.as_row() for event in recording.events if event.event is not EventKind.STOPPED],
    }


def _gap(times_ns: tuple[int, int]) -> int:
    return times_ns[1] - times_ns[0]


def _mean_w(energy_j: float | None, duration_s: float) -> float | None:
    return energy_j / duration_s if energy_j is not None and duration_s > 0 else None
