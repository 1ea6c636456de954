"""One run of a proxy: C client -> proxy -> source, the proxy alone on its core."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cpu import cores, steal_s, tree_cpu_s, tree_peak_rss_mb, tree_system_s
from benchmarks.proxies import Proxy
from benchmarks.rig import Load, Source, c_client
from benchmarks.truth import Figures, Truth


@dataclass(frozen=True)
class Cost:
    """What all processes of a proxy used, from before the first request to after the last."""

    cpu_us: float  # user and system time an event
    system_share: float
    core_share: float
    peak_rss_mb: float


@dataclass(frozen=True)
class ProxyResult:
    """A run through a proxy, or without one (no cost). Delays are from the source's write to the client's read."""

    name: str
    phases: str
    streams: int
    events: int
    failed: int
    seconds: float
    cost: Cost | None
    delay_p50_ms: float
    delay_p99_ms: float
    reported: Figures
    remark: str
    truth: Figures
    rig_share: float  # of the core that source and client share: near 1, their own queueing is in the delays
    steal_s: float


def direct(load: Load, folder: Path) -> ProxyResult:
    """The baseline: no proxy between."""
    source, stolen_s = Source(load, folder, stamp=True), steal_s()
    try:
        ended = loaded(source.port, load, folder)
    finally:
        source.stop()
    return result("direct", load, ended, source.truth(), None, (Figures(), ""), steal_s() - stolen_s)


def proxied(proxy: Proxy, load: Load, folder: Path) -> ProxyResult:
    source, stolen_s = Source(load, folder, stamp=True), steal_s()
    try:
        child, port = proxy.start(cores()[1], source.url, folder)
        try:
            cpu_s, system_s = tree_cpu_s(child.pid), tree_system_s(child.pid)
            ended = loaded(port, load, folder)
            cpu_s, system_s = tree_cpu_s(child.pid) - cpu_s, tree_system_s(child.pid) - system_s
            peak_rss_mb = tree_peak_rss_mb(child.pid)
        finally:
            child.stop()
    finally:
        source.stop()
    truth = source.truth()
    cost = Cost(cpu_s / truth.events * 1e6, system_s / cpu_s, cpu_s / ended["seconds"], peak_rss_mb)
    return result(proxy.name, load, ended, truth, cost, proxy.reported(folder), steal_s() - stolen_s)


def loaded(port: int, load: Load, folder: Path) -> dict[str, Any]:
    """Run the C client to its end; give what it counted."""
    counted: dict[str, Any] = json.loads(c_client(cores()[2], port, load, folder).wait(load.limit_s).output)
    return counted


def result(
    name: str,
    load: Load,
    ended: dict[str, Any],
    truth: Truth,
    cost: Cost | None,
    reported: tuple[Figures, str],
    stolen_s: float,
) -> ProxyResult:
    return ProxyResult(
        name,
        load.phases,
        load.streams,
        truth.events,
        ended["failed"],
        ended["seconds"],
        cost,
        ended["delay_ms"]["p50"],
        ended["delay_ms"]["p99"],
        *reported,
        truth.figures,
        (truth.source_cpu_s + ended["cpu_s"]) / ended["seconds"],
        stolen_s,
    )
