"""Power that somebody else has recorded: our `power.jsonl`, or nvidia-smi's CSV, brought onto a run's clock."""

import csv
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from imaxproxy.clock import NS_PER_S
from imaxproxy.errors import ImaxproxyError
from imaxproxy.power.file import PowerLog, read_power
from imaxproxy.power.mapping import Mapping as Boards
from imaxproxy.power.nvml import AVERAGE_WINDOW_MS, GAIN_ERROR
from imaxproxy.power.sample import Boundary, Device, EventKind, PowerEvent, PowerLine, PowerSample

_SAME_CLOCK_NS = 2 * NS_PER_S
"""The wall clock is slewed by less; another boot differs by far more."""
_COLUMNS = {
    "power.draw": "power_avg_w",
    "power.draw.average": "power_avg_w",
    "power.draw.instant": "power_w",
    "temperature.gpu": "temperature_c",
    "clocks.current.sm": "sm_clock_mhz",
    "clocks.current.memory": "memory_clock_mhz",
    "utilization.gpu": "utilization",
    "utilization.memory": "memory_utilization",
}
_SHARES = ("utilization", "memory_utilization")
_FORMATS = ("%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S")


def import_recording(path: Path, to: Path, clock: Mapping[str, Any], boards: Boards, *, shift_ns: int = 0) -> int:
    """Copy a recording, its times shifted to the clock that a manifest's `clock` describes; how many samples it had.

    shift_ns: added to its times, for a wall clock that was off.

    Raises ImaxproxyError that names file, line and field for what is no recording, and for one without a wall clock.
    """
    lines = list(read_recording(path, clock))
    devices = {line.device: line for line in lines if isinstance(line, Device)}
    mapped = {device.device: device for device in boards.apply(list(devices.values()))}
    beside = Path(f"{to}.part")
    with beside.open("wb") as file:
        log = PowerLog(file)
        for line in lines:
            if shift_ns:
                line = replace(line, time_ns=line.time_ns + shift_ns)
            if isinstance(line, Device):
                known = mapped[line.device]
                line = replace(line, counted=known.counted, counted_by=known.counted_by)
            log.add(line)
    os.replace(beside, to)
    return sum(isinstance(line, PowerSample) for line in lines)


def read_recording(path: Path, clock: Mapping[str, Any]) -> Iterator[PowerLine]:
    """The lines of either kind of file, on the run's clock."""
    try:
        with path.open("rb") as file:
            is_ours = file.read(1) == b"{"
    except OSError as error:
        raise ImaxproxyError(f"cannot read {path}: {error.strerror}") from error
    if is_ours:
        yield from _shifted(read_power(path), path, clock)
        return
    with path.open(newline="", encoding="utf-8", errors="replace") as text:
        yield from _smi_lines(csv.reader(text), path, clock)


def _shifted(lines: Iterable[PowerLine], path: Path, clock: Mapping[str, Any]) -> Iterator[PowerLine]:
    """Each device's line has both clocks; a recording of this boot of this host needs no shift."""
    shift_ns: int | None = None
    for line in lines:
        if shift_ns is None:
            if not isinstance(line, Device) or line.unix_ns is None:
                raise ImaxproxyError(f"{path}: its first line is no device with unix_ns: its clock is not known")
            shift_ns = _monotonic_ns(line.unix_ns, path, clock) - line.time_ns
            if abs(shift_ns) < _SAME_CLOCK_NS:
                shift_ns = 0
        yield replace(line, time_ns=line.time_ns + shift_ns)


def _monotonic_ns(unix_ns: int, path: Path, clock: Mapping[str, Any]) -> int:
    if clock.get("unix_s") is None:
        raise ImaxproxyError(f"{path}: the run's clock is {clock.get('source')}: no recording goes with it")
    return int(clock["monotonic_ns"]) + unix_ns - round(float(clock["unix_s"]) * NS_PER_S)


def _smi_lines(rows: "Iterator[list[str]]", path: Path, clock: Mapping[str, Any]) -> Iterator[PowerLine]:
    """`nvidia-smi --query-gpu=timestamp,index|uuid,power.draw,... --format=csv`, as InferenceX writes it: local time
    without a zone, which is taken to be this host's. power.draw is the mean of a second on Hopper and Blackwell."""
    header = [name.split(" [")[0].strip() for name in next(rows, [])]
    for needed in ("timestamp", "power.draw|power.draw.instant|power.draw.average", "index|uuid"):
        if not any(name in header for name in needed.split("|")):
            raise ImaxproxyError(f"{path}:1: no column {needed.split('|')[0]}; it has {', '.join(header) or 'nothing'}")
    seen: set[str] = set()
    last_ns = 0
    for number, row in enumerate(rows, 2):
        cells = {name: cell.strip() for name, cell in zip(header, row, strict=False)}
        if len(row) < len(header):  # killed inside its last line
            continue
        unix_ns = _local_ns(cells["timestamp"], path, number)
        time_ns = _monotonic_ns(unix_ns, path, clock)
        index = cells.get("index", "")
        name = cells.get("uuid") or f"gpu-{index}"
        if name not in seen:
            seen.add(name)
            yield Device(
                name,
                "nvidia-smi",
                Boundary.BOARD,
                time_ns,
                unix_ns,
                index=int(index) if index.isdecimal() else None,
                name=cells.get("name"),
                average_window_ms=AVERAGE_WINDOW_MS,
                gain_error=GAIN_ERROR,
            )
        values = {key: _number(cells.get(column, "")) for column, key in _COLUMNS.items() if column in cells}
        for share in _SHARES:
            if (value := values.get(share)) is not None:
                values[share] = value / 100
        yield PowerSample(time_ns, name, **values)  # type: ignore[arg-type]
        last_ns = max(last_ns, time_ns)
    if seen:
        yield PowerEvent(last_ns, EventKind.STOPPED)


def _local_ns(text: str, path: Path, number: int) -> int:
    for form in _FORMATS:
        try:
            at = datetime.strptime(text, form)
        except ValueError:
            continue
        return int(time.mktime(at.timetuple())) * NS_PER_S + at.microsecond * 1000
    raise ImaxproxyError(f"{path}:{number}: timestamp {text!r} is not like 2026/11/26 04:20:00.123")


def _number(text: str) -> float | None:
    """`512.31 W` -> 512.31; `[N/A]` and the like: None."""
    try:
        return float(text.split()[0])
    except (IndexError, ValueError):
        return None
