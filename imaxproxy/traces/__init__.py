"""What is asked of an engine, and when: trace rows, their file formats, prompts made to fit, arrival schedules."""

from imaxproxy.traces.arrivals import Arrivals, Constant, Gamma, OnOff, Poisson, arrivals_of, share
from imaxproxy.traces.canonical import canonical_header, canonical_line
from imaxproxy.traces.envelope import Envelope, diurnal, envelope_of
from imaxproxy.traces.file import trace_sha256
from imaxproxy.traces.formats import FORMATS, TIME_UNITS_MS
from imaxproxy.traces.generate import Spec, load_spec, shipped_specs
from imaxproxy.traces.history import History
from imaxproxy.traces.idle import WaitCap
from imaxproxy.traces.inspect import inspect_trace
from imaxproxy.traces.json_depth import JsonDepth
from imaxproxy.traces.look_ahead import LookAhead
from imaxproxy.traces.mid_start import MidStart
from imaxproxy.traces.prompt import Fit, Prompts, shipped_words
from imaxproxy.traces.reader import Trace, open_trace
from imaxproxy.traces.recorded import Recorded, looped, of_lap, spread_ties, within
from imaxproxy.traces.request import PATHS, Endpoint, Request, build_request
from imaxproxy.traces.row import OutputMode, TraceRow
from imaxproxy.traces.seed import stream
from imaxproxy.traces.session_tree import SessionTrees
from imaxproxy.traces.stamps import unit_note
from imaxproxy.traces.steps import (
    CapIdle,
    Dedupe,
    FirstTurns,
    ForceOutput,
    FromZero,
    SampleCount,
    SampleShare,
    Speed,
    StartMidway,
    Step,
    Steps,
    Window,
    Without,
)
from imaxproxy.traces.text_salt import TextSalt
from imaxproxy.traces.write import rows_sha256, write_trace

__all__ = [
    "FORMATS",
    "PATHS",
    "TIME_UNITS_MS",
    "Arrivals",
    "CapIdle",
    "Constant",
    "Dedupe",
    "Endpoint",
    "Envelope",
    "FirstTurns",
    "Fit",
    "ForceOutput",
    "FromZero",
    "Gamma",
    "History",
    "JsonDepth",
    "LookAhead",
    "MidStart",
    "OnOff",
    "OutputMode",
    "Poisson",
    "Prompts",
    "Recorded",
    "Request",
    "SampleCount",
    "SampleShare",
    "SessionTrees",
    "Spec",
    "Speed",
    "StartMidway",
    "Step",
    "Steps",
    "TextSalt",
    "Trace",
    "TraceRow",
    "WaitCap",
    "Window",
    "Without",
    "arrivals_of",
    "build_request",
    "canonical_header",
    "canonical_line",
    "diurnal",
    "envelope_of",
    "inspect_trace",
    "load_spec",
    "looped",
    "of_lap",
    "open_trace",
    "rows_sha256",
    "share",
    "shipped_specs",
    "shipped_words",
    "spread_ties",
    "stream",
    "trace_sha256",
    "unit_note",
    "within",
    "write_trace",
]
