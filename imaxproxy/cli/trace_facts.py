"""What a manifest says of the trace that was played."""

from pathlib import Path
from typing import Any

from imaxproxy.traces import Trace, trace_sha256


def trace_facts(path: Path, trace: Trace) -> dict[str, Any]:
    """As `trace` in the manifest; complete when all rows have been read."""
    return {
        "path": str(path),
        "sha256": trace_sha256(path),
        "format": trace.format,
        "skipped": trace.skipped,
        "skipped_examples": trace.skipped_examples,
        "clamped": trace.clamped,
        "unknown_fields": dict(trace.unknown_fields),
    }
