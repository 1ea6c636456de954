"""What of a machine decides whether figures taken on it are worth anything."""

import importlib.metadata
import importlib.util
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imaxproxy.power import SourceLostError
from imaxproxy.power.opening import found_here

State = Literal["ok", "note", "bad"]
BAD: State = "bad"

_CLOCK_SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
_GOOD_CLOCKS = ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page")
_SLOW_CLOCK_NS = 1000.0
_FEW_DESCRIPTORS, _TOO_FEW_DESCRIPTORS = 10_000, 1024
_LOAD = 0.5
_ACCELERATOR = "imaxproxy.wire._splice"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: State
    says: str
    mend: str | None = None
    """What to do about it."""


def look() -> list[Finding]:
    """All of it, in a second or so."""
    checks: list[Callable[[], Iterator[Finding]]] = [_python, _loop, _clock, _descriptors, _cores, _accelerator, _power]
    return [finding for check in checks for finding in check()]


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    yield Finding("python", "ok", f"{platform.python_implementation()} {version}{'' if gil else ', without its lock'}")


def _loop() -> Iterator[Finding]:
    if importlib.util.find_spec("uvloop") is None:
        yield Finding("event loop", "bad", "uvloop is missing", "pip install uvloop")
        return
    yield Finding("event loop", "ok", f"uvloop {importlib.metadata.version('uvloop')}")


def _clock() -> Iterator[Finding]:
    """A slow clock source makes every stamp a system call: 1 us and more instead of 0.05."""
    cost_ns = clock_cost_ns()
    try:
        source = _CLOCK_SOURCE.read_text().strip()
    except OSError:
        source = "not told"
    says = f"{source}, {cost_ns:.0f} ns a read"
    if source in _GOOD_CLOCKS or (source == "not told" and cost_ns < _SLOW_CLOCK_NS):
        yield Finding("clock", "ok", says)
    else:
        state: State = "bad" if cost_ns >= _SLOW_CLOCK_NS else "note"
        yield Finding("clock", state, says, "boot with clocksource=tsc, or ask who runs the virtual machine")


def clock_cost_ns(reads: int = 20_000) -> float:
    """What a read of the monotonic clock takes, the call included."""
    read = time.monotonic_ns
    begin_ns = read()
    for _ in range(reads):
        read()
    return (read() - begin_ns) / reads


def _descriptors() -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    says = f"{soft:,} of at most {hard:,}" if hard != resource.RLIM_INFINITY else f"{soft:,}, any number to be had"
    if soft >= _FEW_DESCRIPTORS:
        yield Finding("descriptors", "ok", says)
        return
    streams = max((soft - 100) // 2, 0)
    state: State = "bad" if soft < _TOO_FEW_DESCRIPTORS else "note"
    wanted = f"ulimit -n {min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536}"
    yield Finding("descriptors", state, f"{says}: enough for about {streams:,} streams through the proxy", wanted)


def _cores() -> Iterator[Finding]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0]
    says = f"{usable} usable of {os.cpu_count()}, load {load:.1f}"
    if usable < 2:
        yield Finding(
            "cores", "note", says, "the meter and a local engine share one core: use --strict and mind the lag"
        )
    elif load > _LOAD * usable:
        yield Finding(
            "cores", "note", says, "others compute here: figures will show it; `meter` in a result says how much"
        )
    else:
        yield Finding("cores", "ok", says)


def _accelerator() -> Iterator[Finding]:
    try:
        is_there = importlib.util.find_spec(_ACCELERATOR) is not None
    except ModuleNotFoundError:
        is_there = False
    if is_there:
        yield Finding("accelerator", "ok", "streams are carried in C")
    else:
        says = "not built: Python carries every event, at a few us each"
        yield Finding("accelerator", "note", says, "install where there is a C compiler")


def _power() -> Iterator[Finding]:
    opened, missing = found_here()
    for name, source in opened.items():
        try:
            devices = source.devices()
            watts = [each.power_w or each.power_avg_w for each in source.sample()]
            known = f", {sum(filter(None, watts)):,.0f} W now" if any(watts) else ""
            yield Finding("power", "ok", f"{name}: {', '.join(d.name or d.device for d in devices)}{known}")
        except SourceLostError as error:
            yield Finding("power", "note", f"{name}: {error}")
        finally:
            source.close()
    for why in missing.values():
        yield Finding("power", "note", why)
