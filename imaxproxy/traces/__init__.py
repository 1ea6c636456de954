"""What is asked of an engine, and when: trace rows, their file formats, prompts made to fit, arrival schedules."""

from imaxproxy.traces.arrivals import Arrivals, Constant, Poisson, Recorded, share, spread_ties
from imaxproxy.traces.canonical import canonical_header, canonical_line
from imaxproxy.traces.file import trace_sha256
from imaxproxy.traces.formats import FORMATS
from imaxproxy.traces.history import History
from imaxproxy.traces.inspect import inspect_trace
from imaxproxy.traces.look_ahead import LookAhead
from imaxproxy.traces.prompt import Prompts
from imaxproxy.traces.reader import Trace, open_trace
from imaxproxy.traces.request import PATHS, Endpoint, Request, build_request
from imaxproxy.traces.row import OutputMode, TraceRow
from imaxproxy.traces.seed import stream

__all__ = [
    "FORMATS",
    "PATHS",
    "Arrivals",
    "Constant",
    "Endpoint",
    "History",
    "LookAhead",
    "OutputMode",
    "Poisson",
    "Prompts",
    "Recorded",
    "Request",
    "Trace",
    "TraceRow",
    "build_request",
    "canonical_header",
    "canonical_line",
    "inspect_trace",
    "open_trace",
    "share",
    "spread_ties",
    "stream",
    "trace_sha256",
]
