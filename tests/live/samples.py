"""Snapshots for tests: one that a real proxy gave (scripts/pictures --snapshots), and what may be different in it."""

import copy
import json
from pathlib import Path
from typing import Any

from imaxproxy.live.screen.scene import Link, Scene
from imaxproxy.live.screen.view import View
from imaxproxy.live.snapshot import Snapshot

DATA = Path(__file__).parents[1] / "data" / "live"
MEASURED: dict[str, Any] = {
    "simulated": False,
    "power": {
        "watts": 6214.0,
        "boards": 8,
        "energy_j": 4.6e6,
        "j_per_output_token": 0.512,
        "tokens_per_s_per_mw": 2.01e6,
        "boundary": "board",
        "source": "NVML",
    },
    "cost": {
        "usd_per_million_output": 0.43,
        "usd_per_million_total": 0.11,
        "usd": 3.91,
        "price": "8 x b200 at $1.73/h, hyperscaler, 2026-08-14",
    },
    "slo": {"text": "ttft_ms<500@p90", "attainment": 0.982, "goodput_requests_per_s": 22.9, "met": 1718, "of": 1750},
    "engine_metrics": {
        "running": 114,
        "waiting": 4,
        "kv_usage": 0.62,
        "prefix_hit_share": 0.38,
        "accepted_per_step": 2.4,
        "preemptions": 0,
        "age_s": 0.4,
    },
    "meter": {
        "valid": True,
        "reasons": [],
        "cpu_share": 0.21,
        "loop_lag_ms": {"count": 9, "p50": 0.05, "p90": 0.1, "p99": 0.42, "mean": 0.06},
        "coalesced_event_share": 0.012,
        "offered_rate": 25.0,
        "achieved_rate": 24.9,
        "send_lag_ms": {"count": 1750, "p50": 0.1, "p90": 0.2, "p99": 0.4, "mean": 0.1},
    },
    "remaining_s": 83.0,
    "progress": {"done": 1750, "of": 4000, "unit": "requests"},
}
"""Of a machine with GPUs: everything that a snapshot can hold."""


def row(number: int = 2, **changed: object) -> dict[str, Any]:
    """A recorded snapshot as JSON has it; 1 and 2 are ten seconds of one run apart."""
    recorded: dict[str, Any] = json.loads((DATA / f"serve-{number}.json").read_text())
    return copy.deepcopy(recorded | changed)


def snapshot(number: int = 2, **changed: object) -> Snapshot:
    return Snapshot.of(row(number, **changed))


def scene(shown: Snapshot | None = None, *keys: str, link: Link = Link("live"), message: str = "") -> Scene:  # noqa: B008
    """`shown` on the screen of somebody who has pressed these keys."""
    view = View()
    view.take(shown or snapshot())
    for key in keys:
        view.press(key)
    assert view.shown is not None
    return Scene(view.shown, view, link, message)
