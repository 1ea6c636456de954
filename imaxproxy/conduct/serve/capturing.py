"""What `serve` records for a replay: the option, and the trace that is made of it in the end."""

import hashlib
import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imaxproxy.clock import monotonic_ns
from imaxproxy.conduct.output import say
from imaxproxy.errors import UsageError
from imaxproxy.runs import Manifest, RunDirectory

if TYPE_CHECKING:
    from imaxproxy.proxy import CaptureSettings

MODES = ("off", "shape", "full")
_SALT_BYTES = 32

capture_option = click.option(
    "--capture",
    type=click.Choice(MODES),
    help="Record requests as a trace: shape (no text), full (with bodies).  [default: shape with --out, else off]",
)

max_capture_option = click.option(
    "--max-capture",
    type=float,
    default=16.0,
    show_default=True,
    metavar="GIB",
    help="Of all workers' captures together; later requests are left out, and it is said. 0: no limit.",
)


def capture_mode(chosen: str | None, out: Path | None) -> str:
    """One of MODES."""
    return chosen or ("off" if out is None else "shape")


def capture_settings(mode: str) -> "CaptureSettings | None":
    """The run's, for all its workers: its clock starts now. None when nothing is captured."""
    from imaxproxy.proxy import CaptureSettings, RunClock

    if mode == "off":
        return None
    clock = RunClock(monotonic_ns(), time.time())
    return CaptureSettings(full=mode == "full", salt=secrets.token_bytes(_SALT_BYTES), clock=clock)


def capture_limit_bytes(max_capture_gib: float) -> int | None:
    """None where there is none. Raises UsageError."""
    if not 0 <= max_capture_gib < float("inf"):
        raise UsageError(f"--max-capture is a number of GiB, 0 for no limit, not {max_capture_gib:g}")
    return round(max_capture_gib * (1 << 30)) or None


def gather_trace(run: RunDirectory) -> dict[str, Any] | None:
    """Make the run's trace of what its workers captured, and say so; for the manifest. None when nothing was."""
    from imaxproxy.proxy import gather

    if not run.captures():
        return None
    try:
        gathered = gather(run.captures(), run.trace)
    except OSError as error:
        say(f"imaxproxy: {run.trace} could not be written ({error.strerror}); `imaxproxy report` tries again")
        return None
    left_out = ", ".join(f"{count} {why}" for why, count in gathered.left_out.items())
    say(f"imaxproxy: {gathered.rows} requests in {run.trace}" + (f"; left out: {left_out}" if left_out else ""))
    with run.trace.open("rb") as trace:
        sha256 = hashlib.file_digest(trace, "sha256").hexdigest()  # what a replay of it has in its own manifest
    return {"trace": run.trace.name, "rows": gathered.rows, "left_out": gathered.left_out, "sha256": sha256}


def gather_anew(run: RunDirectory) -> None:
    """Of a run that was killed before it could: the trace, and the manifest that tells of it."""
    captured, manifest = gather_trace(run), Manifest.read(run)
    if captured is not None and manifest is not None:
        replace(manifest, capture=captured).write(run)


def is_stale(run: RunDirectory) -> bool:
    """Something was captured since the trace was made, or it never was."""
    newest = max((path.stat().st_mtime_ns for path in run.captures()), default=0)
    return bool(newest) and (not run.trace.exists() or run.trace.stat().st_mtime_ns < newest)
