"""The same figures as lines of text, for a pipe, a log, or a terminal without a screen."""

from imaxproxy.live.screen.numbers import clock, figure, milliseconds, percent, whole
from imaxproxy.live.snapshot import Snapshot


def line(snapshot: Snapshot) -> str:
    """One line: rates, latency of the last seconds, what failed; what is simulated says so."""
    now, requests = snapshot.now, snapshot.requests
    ttft, itl = now.block("ttft_ms"), now.block("itl_ms")
    bad = requests["failed"] + requests["truncated"]
    parts = [
        f"{clock(snapshot.elapsed_s):>8}{'  SIMULATED' if snapshot.simulated else ''}",
        f"{figure(now.output_tokens_per_s)} output tok/s",
        f"{figure(now.requests_per_s)} requests/s",
        f"{whole(snapshot.in_flight)} in flight",
        f"TTFT ms p50 {milliseconds(ttft.p50)} p99 {milliseconds(ttft.p99)}",
        f"ITL ms p50 {milliseconds(itl.p50)} p99 {milliseconds(itl.p99)}",
        f"{whole(requests['completed'])} done, {whole(bad)} failed",
    ]
    if snapshot.power is not None:
        parts.append(f"{figure(snapshot.power.get('watts'))} W")
    if snapshot.cost is not None:
        parts.append(f"${figure(snapshot.cost.get('usd_per_million_output'))}/M output tok")
    if snapshot.slo is not None:
        parts.append(f"SLO {percent(snapshot.slo.get('attainment'))}")
    if snapshot.nodes:
        parts.append(_nodes(snapshot))
    if snapshot.meter.get("valid") is False:
        parts.append("METER NOT VALID")
    return "  ".join(parts)


def _nodes(snapshot: Snapshot) -> str:
    """How many are heard; those that are not, by name."""
    bad = [f"{node.name} {node.state}" for node in snapshot.nodes if node.state in ("silent", "lost")]
    of = len(snapshot.nodes)
    return f"{of - len(bad)} of {of} nodes" + (f" ({', '.join(bad)})" if bad else "")
