"""`gpu_metrics.csv` as `nvidia-smi --format=csv` writes it for InferenceX, from `power.jsonl`."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from imaxproxy.power import GPU_BOUNDARIES, Device, PowerSample, read_power
from imaxproxy.runs.record import RunRecord

HEADER = (
    "timestamp", "index", "power.draw [W]", "temperature.gpu", "clocks.current.sm [MHz]", "clocks.current.memory [MHz]",
    "utilization.gpu [%]", "utilization.memory [%]",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """One line: a GPU at one time."""

    unix_s: float
    index: int
    power_w: float
    sample: PowerSample


def readings(record: RunRecord, path: Path) -> Iterator[Reading]:
    """The counted GPUs' samples that have watts; `power_avg_w` first, for that is what nvidia-smi's power.draw is.

    A MIG instance, a CPU and a device of another tenant are left out. Raises ImaxproxyError for a broken file.
    """
    devices: dict[str, Device] = {}
    for line in read_power(path):
        if isinstance(line, Device):
            devices[line.device] = line
        elif isinstance(line, PowerSample) and (device := devices.get(line.device)) is not None and _counts(device):
            power_w = line.power_avg_w if line.power_avg_w is not None else line.power_w
            if power_w is not None:
                yield Reading(record.unix_s(line.time_ns), _index(device, devices), power_w, line)


def write_gpu_metrics(rows: list[Reading], path: Path) -> None:
    """Stamps carry their offset from UTC, which InferenceX's script reads; nvidia-smi's own are local, without."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        file.write(", ".join(HEADER) + "\n")
        for row in rows:
            sample = row.sample
            writer.writerow(
                (
                    datetime.fromtimestamp(row.unix_s, UTC).isoformat(timespec="microseconds"),
                    f" {row.index}",
                    f" {row.power_w:.3f} W",
                    f" {_whole(sample.temperature_c)}",
                    f" {_whole(sample.sm_clock_mhz, ' MHz')}",
                    f" {_whole(sample.memory_clock_mhz, ' MHz')}",
                    f" {_whole(_percent(sample.utilization), ' %')}",
                    f" {_whole(_percent(sample.memory_utilization), ' %')}",
                )
            )


def _counts(device: Device) -> bool:
    return device.counted and device.parent is None and device.boundary in GPU_BOUNDARIES


def _index(device: Device, devices: dict[str, Device]) -> int:
    return device.index if device.index is not None else list(devices).index(device.device)


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _whole(value: float | None, unit: str = "") -> str:
    return "[N/A]" if value is None else f"{value:.0f}{unit}"
