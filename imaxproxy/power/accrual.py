"""Watts now and joules so far, for whoever watches a run: kept by the process that writes `power.jsonl`.

The summary's energy is reckoned from all samples (`window.py`) and is the one to be quoted. This one is as good as its
devices' counters, and up to one of their readings old.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from imaxproxy.clock import NS_PER_S
from imaxproxy.errors import ImaxproxyError
from imaxproxy.power.sample import GPU_BOUNDARIES, Device, EventKind, PowerEvent, PowerLine, PowerSample

SCHEMA = "imaxproxy.power_now/1"
EVERY_NS = NS_PER_S
_MJ_PER_J = 1000.0
_LONGEST_GAP_S = 10.0
"""Watts are taken to have gone on for no longer than that: a sensor that was lost says nothing of the time between."""


@dataclass(slots=True)
class _Board:
    """One counted device so far."""

    device: Device
    power_w: float | None = None
    at_ns: int | None = None
    energy_mj: float | None = None
    energy_j: float = 0.0

    def take(self, sample: PowerSample) -> None:
        power_w = sample.power_w if sample.power_w is not None else sample.power_avg_w
        if sample.energy_mj is not None:
            self._count(sample.energy_mj)
        elif self.energy_mj is None and self.at_ns is not None and self.power_w is not None:  # it has no counter
            seconds = min((sample.time_ns - self.at_ns) / NS_PER_S, _LONGEST_GAP_S)
            mean_w = self.power_w if power_w is None else (self.power_w + power_w) / 2
            self.energy_j += mean_w * max(seconds, 0.0) * self.device.time_scale
        if power_w is not None:
            self.power_w = power_w
        self.at_ns = sample.time_ns

    def _count(self, energy_mj: float) -> None:
        if self.energy_mj is not None:
            grown = energy_mj - self.energy_mj
            if grown < 0 and self.device.counter_range_mj is not None:
                grown += self.device.counter_range_mj
            self.energy_j += max(grown, 0.0) / _MJ_PER_J  # a counter that began anew says nothing of what came before
        self.energy_mj = energy_mj


class Accrual:
    """Takes the lines of `power.jsonl` as they are written."""

    def __init__(self) -> None:
        self._boards: dict[str, _Board] = {}
        self._since_ns: int | None = None
        self._at_ns = 0

    def add(self, line: PowerLine) -> None:
        if isinstance(line, Device):
            self._meet(line)
        elif isinstance(line, PowerSample):
            board = self._boards.get(line.device)
            if board is not None:
                board.take(line)
                self._since_ns = line.time_ns if self._since_ns is None else self._since_ns
                self._at_ns = max(self._at_ns, line.time_ns)
        elif isinstance(line, PowerEvent) and line.event is EventKind.DEVICE_LOST and line.device in self._boards:
            self._boards[line.device].power_w = None

    def row(self) -> dict[str, Any] | None:
        """What it comes to; None before the first sample of a counted board."""
        boards = [board for board in self._boards.values() if board.at_ns is not None]
        if not boards:
            return None
        watts = [board.power_w for board in boards]
        known = [each for each in watts if each is not None]
        scale = boards[0].device.time_scale
        return {
            "schema": SCHEMA,
            "time_ns": self._at_ns,
            "since_ns": self._since_ns,
            "watts": sum(known) * scale if len(known) == len(watts) else None,
            "boards": len(boards),
            "energy_j": sum(board.energy_j for board in boards),
            "boundary": ", ".join(sorted({board.device.boundary for board in boards})),
            "source": ", ".join(sorted({board.device.source for board in boards})),
            "simulated": any(board.device.simulated for board in boards),
        }

    def _meet(self, device: Device) -> None:
        known = self._boards.get(device.device)
        if device.boundary not in GPU_BOUNDARIES or not device.counted or device.counted_by is None:
            self._boards.pop(device.device, None)
        elif known is None:
            self._boards[device.device] = _Board(device)
        else:
            known.device = device


def write_now(path: Path, row: dict[str, Any]) -> None:
    """Whole or not at all: a reader never sees half of it."""
    beside = path.with_name(f"{path.name}.part")
    beside.write_bytes(orjson.dumps(row))
    os.replace(beside, path)


def read_now(path: Path) -> dict[str, Any] | None:
    """What was last written; None where nobody samples. Raises ImaxproxyError for what is none of ours."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ImaxproxyError(f"cannot read {path}: {error.strerror}") from error
    try:
        row = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ImaxproxyError(f"{path} is not JSON: {error}; remove it") from error
    if not isinstance(row, dict) or row.get("schema") != SCHEMA:
        raise ImaxproxyError(f"{path} is no {SCHEMA}; remove it")
    return row
