"""NVIDIA's DCGM exporter: board power of any host, as Prometheus text over HTTP."""

import re
import time
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.power.nvml import AVERAGE_WINDOW_MS, GAIN_ERROR
from imaxproxy.power.sample import Boundary, Device, PowerSample
from imaxproxy.power.scrape import Page
from imaxproxy.power.source import SourceError, SourceLostError

_KEYS: dict[str, tuple[str, float]] = {
    "DCGM_FI_DEV_POWER_USAGE": ("power_avg_w", 1.0),
    "DCGM_FI_DEV_BOARD_POWER_WATTS": ("power_avg_w", 1.0),  # its new name, 2026
    "DCGM_FI_DEV_POWER_USAGE_INSTANT": ("power_w", 1.0),
    "DCGM_FI_DEV_BOARD_POWER_RAW_WATTS": ("power_w", 1.0),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ("energy_mj", 1.0),
    "DCGM_FI_DEV_GPU_TEMP": ("temperature_c", 1.0),
    "DCGM_FI_DEV_SM_CLOCK": ("sm_clock_mhz", 1.0),
    "DCGM_FI_DEV_MEM_CLOCK": ("memory_clock_mhz", 1.0),
    "DCGM_FI_DEV_GPU_UTIL": ("utilization", 0.01),
    "DCGM_FI_DEV_MEM_COPY_UTIL": ("memory_utilization", 0.01),
}
"""Field -> key of our sample, and what to multiply by. POWER_USAGE is NVML's nvmlDeviceGetPowerUsage: the mean of a
second on what has one."""
_LIMITS = ("DCGM_FI_DEV_ENFORCED_POWER_LIMIT", "DCGM_FI_DEV_POWER_MGMT_LIMIT", "DCGM_FI_DEV_BOARD_POWER_LIMIT_WATTS")
_MIG_LABEL = "GPU_I_ID"


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the page."""

    name: str
    labels: dict[str, str]
    value: float

    @property
    def uuid(self) -> str:
        """Of the board: rows of MIG instances carry the whole board's figure, each."""
        return self.labels.get("UUID") or self.labels.get("uuid") or f"gpu-{self.labels.get('gpu', '?')}"


class DcgmSource:
    """All GPUs of one exporter. It collects in a period of its own (30 s unless told otherwise), which nobody states:
    the sampler waits until it has seen it, before the run and after it, and the error is widened by it."""

    name = "dcgm"
    tick_ms = 200.0
    settle_s = 62.0

    def __init__(self, url: str, clock_ns: Clock = monotonic_ns) -> None:
        """Raises SourceError when nobody answers or the page has no power of a GPU, UsageError for what is no URL."""
        self._page = Page(url, "/metrics")
        self._clock_ns = clock_ns
        try:
            rows = self._rows()
        except OSError as error:
            self.close()
            raise SourceError(f"DCGM exporter {self._page.url}: {error}") from error
        if not any(_KEYS.get(row.name, ("",))[0] in ("power_w", "power_avg_w", "energy_mj") for row in rows):
            self.close()
            raise SourceError(
                f"DCGM exporter {self._page.url} tells no power: its counters file needs DCGM_FI_DEV_POWER_USAGE "
                "and DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
            )

    def devices(self) -> list[Device]:
        """The boards on the page, each once."""
        try:
            rows = self._rows()
        except OSError as error:
            raise SourceLostError(str(error)) from error
        boards: dict[str, dict[str, Any]] = {}
        for row in rows:
            if row.name not in _KEYS and row.name not in _LIMITS:
                continue
            board = boards.setdefault(row.uuid, {"notes": ()})
            number = row.labels.get("gpu", "")
            board["index"] = int(number) if number.isdecimal() else None
            board["name"] = row.labels.get("modelName")
            board["host"] = row.labels.get("Hostname") or row.labels.get("hostname") or self._page.host
            if row.labels.get(_MIG_LABEL):
                board["notes"] = ("mig",)
            if row.name in _LIMITS:
                board["limit_w"] = row.value
        return [
            Device(
                uuid,
                self.name,
                Boundary.BOARD,
                self._clock_ns(),
                time.time_ns(),
                average_window_ms=AVERAGE_WINDOW_MS,
                gain_error=GAIN_ERROR,
                **board,
            )
            for uuid, board in boards.items()
        ]

    def sample(self, counters: Container[str] | None = None) -> list[PowerSample]:
        """What the page says now, which it may have said for a while."""
        asked_ns = self._clock_ns()
        try:
            rows = self._rows()
        except OSError as error:
            raise SourceLostError(str(error)) from error
        time_ns = (asked_ns + self._clock_ns()) // 2
        found: dict[str, dict[str, Any]] = {}
        for row in rows:
            if row.name in _KEYS:
                key, factor = _KEYS[row.name]
                found.setdefault(row.uuid, {}).setdefault(key, row.value * factor)
        if not found:
            raise SourceLostError(f"{self._page.url} tells no power any more")
        return [PowerSample(time_ns, uuid, **values) for uuid, values in found.items()]

    def processes(self) -> dict[str, list[int]]:
        """It does not tell."""
        return {}

    def close(self) -> None:
        """Close the connection."""
        self._page.close()

    def _rows(self) -> list[_Row]:
        return list(_parsed(self._page.get().decode(errors="replace")))


_BLANK = 2.0**47
"""DCGM says "not known" by this and a few numbers above it."""
_LINE = re.compile(r"^(DCGM_FI_DEV_\w+)(?:\{(.*)\})?\s+(\S+)(?:\s+\d+)?\s*$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def _parsed(text: str) -> Iterator[_Row]:
    """Only the lines that are asked for: an exporter's page has hundreds, and a full parse costs milliseconds."""
    for name, labels, number in _LINE.findall(text):
        if name in _KEYS or name in _LIMITS:
            try:
                value = float(number)
            except ValueError:
                continue
            if 0 <= value < _BLANK:  # NaN is not
                yield _Row(name, dict(_LABEL.findall(labels)), value)
