"""Start-up of the command, and memory of a proxy that holds many long streams."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.paths import imaxproxy
from benchmarks.proxies import Proxy
from benchmarks.proxy_case import Cost, proxied
from benchmarks.rig import Load


@dataclass(frozen=True)
class HelpTime:
    """Wall time of `imaxproxy --help`."""

    name: str
    median_s: float
    max_s: float


@dataclass(frozen=True)
class Memory:
    """The most memory a proxy held, all its processes, over one load that kept `streams` in flight."""

    name: str
    streams: int
    tokens: int
    itl_ms: float
    cost: Cost
    failed: int


def help_time(repeats: int) -> HelpTime:
    times_s = []
    for _ in range(repeats):
        before_s = time.perf_counter()
        subprocess.run([imaxproxy(), "--help"], check=True, capture_output=True)
        times_s.append(time.perf_counter() - before_s)
    return HelpTime("imaxproxy --help", median(times_s), max(times_s))


def memory(proxy: Proxy, load: Load, folder: Path) -> Memory:
    """`load` is one round: each stream once."""
    run = proxied(proxy, load, folder)
    assert run.cost  # there was a proxy
    size = proxy.name, load.streams, load.tokens, load.itl_ms
    return Memory(*size, run.cost, run.failed)
