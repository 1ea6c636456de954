"""Power: where readings come from, the process that takes them, and what they say of a run's energy."""

from imaxproxy.power.file import PowerLog, read_power
from imaxproxy.power.mapping import Mapping
from imaxproxy.power.process import SamplerProcess
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
from imaxproxy.power.source import Source, SourceError, SourceLostError

__all__ = [
    "GPU_BOUNDARIES",
    "SCHEMA",
    "Boundary",
    "Device",
    "EventKind",
    "Mapping",
    "PowerEvent",
    "PowerLine",
    "PowerLog",
    "PowerSample",
    "SampleFlag",
    "SamplerProcess",
    "Source",
    "SourceError",
    "SourceLostError",
    "line_of",
    "read_power",
]
