"""The machine and how busy it was: what a reader needs to judge a figure."""

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cpu import steal_s


@dataclass(frozen=True)
class Moment:
    """How busy the machine is now."""

    at: str
    monotonic_s: float
    load_1min: float
    steal_s: float


def moment() -> Moment:
    return Moment(time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), time.monotonic(), os.getloadavg()[0], steal_s())


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def describe() -> dict[str, str]:
    virtual = " hypervisor " in Path("/proc/cpuinfo").read_text()
    return {
        "CPU": f"{cpu_model()}, {os.cpu_count()} cores{', virtual' if virtual else ''}",
        "kernel": platform.release(),
        "Python": platform.python_version(),
    }
