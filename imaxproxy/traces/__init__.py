"""What is asked of an engine, and when: trace rows, their file formats, prompts made to fit, arrival schedules."""

from imaxproxy.traces.arrivals import Arrivals, Constant, Gamma, OnOff, Poisson, arrivals_of, share
from imaxproxy.traces.canonical import canonical_header, canonical_line
from imaxproxy.traces.envelope import Envelope, diurnal, envelope_of
from imaxproxy.traces.history import History
from imaxproxy.traces.inspect import inspect_trace
from imaxproxy.traces.look_ahead import LookAhead
from imaxproxy.traces.prompt import Prompts
from imaxproxy.traces.reader import FORMATS, Trace, open_trace, trace_sha256
from imaxproxy.traces.recorded import Recorded, looped, of_lap, spread_ties, within
from imaxproxy.traces.request import PATHS, Endpoint, Request, build_request
from imaxproxy.traces.row import OutputMode, TraceRow
from imaxproxy.traces.seed import stream

__all__ = [
    "FORMATS",
    "PATHS",
    "Arrivals",
    "Constant",
    "Endpoint",
    "Envelope",
    "Gamma",
    "History",
    "LookAhead",
    "OnOff",
    "OutputMode",
    "Poisson",
    "Prompts",
    "Recorded",
    "Request",
    "Trace",
    "TraceRow",
    "arrivals_of",
    "build_request",
    "canonical_header",
    "canonical_line",
    "diurnal",
    "envelope_of",
    "inspect_trace",
    "looped",
    "of_lap",
    "open_trace",
    "share",
    "spread_ties",
    "stream",
    "trace_sha256",
    "within",
]
