"""Power: where readings come from, the process that takes them, and what they say of a run's energy."""

from imaxproxy.power.file import PowerLog, read_power
from imaxproxy.power.sample import (
    GPU_BOUNDARIES,
    SCHEMA,
    Boundary,
    Device,
    EventKind,
    PowerEvent,
    PowerLine,
    PowerSample,
    SampleFlag,
    line_of,
)

__all__ = [
    "GPU_BOUNDARIES",
    "SCHEMA",
    "Boundary",
    "Device",
    "EventKind",
    "PowerEvent",
    "PowerLine",
    "PowerLog",
    "PowerSample",
    "SampleFlag",
    "line_of",
    "read_power",
]
