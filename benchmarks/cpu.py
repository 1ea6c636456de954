"""CPU time of processes, from the OS, and which core they run on."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cores() -> tuple[int, int, int]:
    """The cores of the source, of the process under test (which has its own) and of the load (the source's, of two)."""
    have = sorted(os.sched_getaffinity(0))
    if len(have) < 2:
        raise SystemExit("the benchmarks need two cores: one for the source, one for the process under test")
    return have[0], have[1], have[2] if len(have) > 2 else have[0]


def pinned(core: int, *command: object) -> list[str]:
    """On one core. With BENCH_REALTIME=1 ahead of all other work there (needs root): as if the core were its own."""
    ahead = ["chrt", "--rr", "1"] if os.environ.get("BENCH_REALTIME") == "1" else []
    return [*ahead, "taskset", "-c", str(core), *map(str, command)]


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name; none when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def tree(root: int) -> Iterator[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    todo = [root]
    while todo:
        pid = todo.pop()
        yield pid
        todo += children.get(pid, [])


def tree_cpu_s(root: int) -> float:
    """User and system time of a process tree so far: each process's CPU clock (clock_getcpuclockid(3)), exact to ns.

    /proc/PID/stat has the same sum in ticks of 10 ms; it is too coarse for short runs.
    """
    total_s = 0.0
    for pid in tree(root):
        with suppress(OSError):  # it ended meanwhile
            total_s += time.clock_gettime(~pid << 3 | 2)
    return total_s


def tree_system_s(root: int) -> float:
    """The system part of it, as /proc/PID/stat splits it."""
    return sum(int(fields[12]) for pid in tree(root) if (fields := stat(pid))) / TICKS_PER_S


def tree_peak_rss_mb(root: int) -> float:
    """Sum of VmHWM, the most memory each process of a tree ever held."""
    total_kb = 0
    for pid in tree(root):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                total_kb += int(line.split()[1])
    return total_kb / 1024


def steal_s() -> float:
    """Time that the hypervisor gave to others, all cores, since boot."""
    return int(Path("/proc/stat").read_text().split()[8]) / TICKS_PER_S
