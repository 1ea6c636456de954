"""The run directory: journal, manifest, summary, histogram log."""

from typing import TYPE_CHECKING

from imaxproxy.doors import opened_late
from imaxproxy.runs.capped import CappedAppender
from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.hlog import read_hlog, write_hlog
from imaxproxy.runs.journal import Journal, read_health, read_journal, read_rest
from imaxproxy.runs.manifest import Manifest, write_json
from imaxproxy.runs.record import RunRecord, read_summary
from imaxproxy.runs.repeats import repeats
from imaxproxy.runs.shares import share_record

if TYPE_CHECKING:
    from imaxproxy.runs.summary import summarize

__all__ = [
    "CappedAppender",
    "Journal",
    "Manifest",
    "RunDirectory",
    "RunRecord",
    "read_health",
    "read_hlog",
    "read_journal",
    "read_rest",
    "read_summary",
    "repeats",
    "share_record",
    "summarize",
    "write_hlog",
    "write_json",
]

# It knows power and prices; who only writes journals does not need it.
__getattr__ = opened_late(__name__, {"summarize": "summary"})
