"""Power: where readings come from, the process that takes them, and what they say of a run's energy."""

from imaxproxy.power.accrual import Accrual, read_now, write_now
from imaxproxy.power.curve import EnergyCurve
from imaxproxy.power.file import NOW_NAME, PowerLog, read_power
from imaxproxy.power.mapping import Mapping
from imaxproxy.power.phases import Estimate, NoPhases, Phases, find_phases
from imaxproxy.power.process import SamplerProcess
from imaxproxy.power.reasons import MEANINGS, Reason, Warn
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
from imaxproxy.power.series import Recording, Series
from imaxproxy.power.sharing import DEFAULT_PREFILL_WEIGHT, RequestEnergy, Sharer, TickPrices
from imaxproxy.power.source import Source, SourceError, SourceLostError
from imaxproxy.power.ticks import TickGrid, TokenTicks
from imaxproxy.power.window import DeviceEnergy, WindowEnergy, device_energy, window_energy

__all__ = [
    "DEFAULT_PREFILL_WEIGHT",
    "GPU_BOUNDARIES",
    "MEANINGS",
    "NOW_NAME",
    "SCHEMA",
    "Accrual",
    "Boundary",
    "Device",
    "DeviceEnergy",
    "EnergyCurve",
    "Estimate",
    "EventKind",
    "Mapping",
    "NoPhases",
    "Phases",
    "PowerEvent",
    "PowerLine",
    "PowerLog",
    "PowerSample",
    "Reason",
    "Recording",
    "RequestEnergy",
    "SampleFlag",
    "SamplerProcess",
    "Series",
    "Sharer",
    "Source",
    "SourceError",
    "SourceLostError",
    "TickGrid",
    "TickPrices",
    "TokenTicks",
    "Warn",
    "WindowEnergy",
    "device_energy",
    "find_phases",
    "line_of",
    "read_now",
    "read_power",
    "window_energy",
    "write_now",
]
