"""What any source of power says: devices, samples of them, and what happened to the source. Lines of `power.jsonl`."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from imaxproxy.errors import ImaxproxyError

SCHEMA = "imaxproxy.power/1"


class Boundary(StrEnum):
    """What a reading includes; figures of two boundaries are never added."""

    BOARD = "board"
    """One GPU with its memory and converters."""
    MODULE = "module"
    """A superchip: CPU, GPU and memory (GH200, where the counter knows no smaller part)."""
    CPU_PACKAGE = "cpu_package"
    DRAM = "dram"
    PLATFORM = "platform"
    """RAPL's psys: the system on chip with more or less of the board, as the vendor chose."""


GPU_BOUNDARIES = (Boundary.BOARD, Boundary.MODULE)


class SampleFlag(StrEnum):
    """Why a value that this device usually has is missing, or not to be trusted, in one sample."""

    NO_POWER = "no_power"
    NO_AVERAGE = "no_average"
    NO_ENERGY = "no_energy"


class EventKind(StrEnum):
    """What happened to a source or to the sampler between samples."""

    SOURCE_LOST = "source_lost"
    SOURCE_BACK = "source_back"
    DEVICE_LOST = "device_lost"
    DEVICE_BACK = "device_back"
    LIMIT_CHANGED = "limit_changed"
    """The board's power limit is not what it was when the run began."""
    FOREIGN_PROCESS = "foreign_process"
    """A process that is none of the engine's computes on a counted device."""
    STOPPED = "stopped"
    """The sampler ended in order; its `detail` is its own cost."""


@dataclass(frozen=True, slots=True)
class Device:
    """What is sampled; written before its first sample, and again when something here becomes known or changes.

    A later line of the same device replaces the earlier one. None: not known, or the device has no such thing.
    """

    device: str
    """Its UUID where there is one, else a name that is the same in every run of this host."""
    source: str
    """`nvml`, `dcgm`, `rapl`, `amdsmi`, `nvidia-smi`, `sim`."""
    boundary: Boundary
    """Of the watts."""
    time_ns: int = 0
    """When this was read, CLOCK_MONOTONIC."""
    unix_ns: int | None = None
    """The wall clock at that moment: joins files of another host or another boot."""
    index: int | None = None
    name: str | None = None
    host: str | None = None
    counter_boundary: Boundary | None = None
    """Of the joules, where that differs from the watts'."""
    counter_update_ms: float | None = None
    """How often the joules move. 0: they are exact at every read. None: find it in the samples."""
    counter_range_mj: float | None = None
    """The counter begins again at 0 there; None: it never does."""
    power_update_ms: float | None = None
    average_window_ms: float | None = None
    """Over how long `power_avg_w` is a mean: its readings lag by half of that."""
    limit_w: float | None = None
    """The enforced power limit."""
    default_limit_w: float | None = None
    idle_w: float | None = None
    """What it draws when idle, where the source knows and nobody has to measure: a model does."""
    gain_error: float | None = None
    """Standard uncertainty of its readings as a share; None: what is usual for the source (docs/power.md)."""
    parent: str | None = None
    """The device that includes this one: it is not added to that."""
    counted: bool = True
    """It belongs to the engine under test."""
    counted_by: str | None = None
    """How that is known: `recipe`, `--power-devices`, `CUDA_VISIBLE_DEVICES`, `pids`, `only_device`, `source`."""
    instances: tuple[str, ...] = ()
    """UUIDs of the MIG instances that share it."""
    notes: tuple[str, ...] = ()
    """`mig`: several instances share the board, their parts are not known. `module_scope`: see Boundary."""
    time_scale: float = 1.0
    """How many seconds of the device pass in one of the clock: a simulation may run fast."""
    simulated: bool = False

    def as_row(self) -> dict[str, Any]:
        """As a line of `power.jsonl`; what is not known is left out."""
        return {"type": "device", "schema": SCHEMA, **_known(self)}


@dataclass(frozen=True, slots=True)
class PowerSample:
    """One device at one time."""

    time_ns: int
    """When it was read, CLOCK_MONOTONIC of the host that took it."""
    device: str
    power_w: float | None = None
    """Now, as far as the sensor has a now (docs/power.md)."""
    power_avg_w: float | None = None
    """The mean over the device's `average_window_ms`."""
    energy_mj: float | None = None
    """Since some beginning; only differences mean something. Whole millijoules from NVML, fractions from others."""
    flags: tuple[SampleFlag, ...] = ()
    read_ns: int = 0
    """How long the counter's read took, up to `time_ns`: the value is of somewhere within."""
    temperature_c: float | None = None
    sm_clock_mhz: float | None = None
    memory_clock_mhz: float | None = None
    utilization: float | None = None
    """Share of the time in which any kernel ran, 0 to 1."""
    memory_utilization: float | None = None
    throttle: int | None = None
    """NVML's bit mask of why clocks are below what was asked for."""
    simulated: bool = False

    def as_row(self) -> dict[str, Any]:
        """As a line of `power.jsonl`; what is not known is left out."""
        return {"type": "sample", **_known(self)}


@dataclass(frozen=True, slots=True)
class PowerEvent:
    """Something that the readings alone do not tell."""

    time_ns: int
    event: EventKind
    device: str | None = None
    """None: all of the source."""
    detail: str | None = None
    simulated: bool = False

    def as_row(self) -> dict[str, Any]:
        """As a line of `power.jsonl`; what is not known is left out."""
        return {"type": "event", **_known(self)}


PowerLine = Device | PowerSample | PowerEvent

_LINES: dict[str, type[PowerLine]] = {"device": Device, "sample": PowerSample, "event": PowerEvent}
_KEYS = {kind: frozenset(field.name for field in fields(kind)) for kind in _LINES.values()}
_NUMBERS = {
    kind: tuple(f.name for f in fields(kind) if "int" in str(f.type) or "float" in str(f.type))
    for kind in _LINES.values()
}


def line_of(row: object) -> PowerLine:
    """The reverse of `as_row`. Raises ImaxproxyError that says what is wrong with the line; unknown keys are ignored,
    a later version may have more of them."""
    if not isinstance(row, dict):
        raise ImaxproxyError("not a JSON object")
    kind = _LINES.get(row.get("type", ""))
    if kind is None:
        raise ImaxproxyError(f"type {row.get('type')!r} is none of {', '.join(_LINES)}")
    if kind is Device and row.get("schema") != SCHEMA:
        raise ImaxproxyError(f"schema {row.get('schema')!r}, this version reads {SCHEMA!r}")
    known = {key: value for key, value in row.items() if key in _KEYS[kind]}
    for name in _NUMBERS[kind]:
        if isinstance(known.get(name, 0), (str, list, dict)):
            raise ImaxproxyError(f"{name} is no number: {known[name]!r}")
    try:
        return kind(**_typed(known))
    except (TypeError, ValueError) as error:
        raise ImaxproxyError(str(error)) from error


def _typed(known: dict[str, Any]) -> dict[str, Any]:
    for key in ("boundary", "counter_boundary"):
        if known.get(key) is not None:
            known[key] = Boundary(known[key])
    if "event" in known:
        known["event"] = EventKind(known["event"])
    if "flags" in known:
        known["flags"] = tuple(map(SampleFlag, known["flags"]))
    for key in ("notes", "instances"):
        if key in known:
            known[key] = tuple(known[key])
    return known


def _known(line: PowerLine) -> dict[str, Any]:
    """What differs from its default: short lines, for there are many."""
    row = {}
    for field in fields(line):
        value = getattr(line, field.name)
        if value != field.default:
            row[field.name] = list(value) if isinstance(value, tuple) else value
    return row
