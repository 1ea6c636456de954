"""`imaxproxy power join`: a run that was played without power, and what somebody recorded beside it."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from imaxproxy.clock import NS_PER_S
from imaxproxy.conduct.output import print_result, say
from imaxproxy.conduct.summing import sum_up
from imaxproxy.errors import UsageError
from imaxproxy.power import Mapping, PowerSample, read_power
from imaxproxy.power.recorded import import_recording
from imaxproxy.runs import Manifest, RunDirectory, read_journal

Span = tuple[int, int]
"""From when to when, ns of the run's clock."""


@click.command(short_help="Give a finished run the power that was recorded beside it.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("recording", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--power-devices", metavar="G,G,..", help="The engine's GPUs: indices or UUIDs; all for all.")
@click.option(
    "--shift",
    "shift_s",
    type=float,
    default=0.0,
    metavar="S",
    help="Add S seconds to the recording's times: another time zone, a clock that was off.",
)
@click.option("--replace", "replaces", is_flag=True, help="In place of the power that the run has.")
@click.option("--json", "as_json", is_flag=True, help="Print summary.json instead of the table.")
def join(run: Path, recording: Path, power_devices: str | None, shift_s: float, replaces: bool, as_json: bool) -> int:
    """Join FILE (our power.jsonl, or nvidia-smi's CSV) with RUN on the wall clock, and make its summary anew.

    \b
    nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv -lms 100 > smi.csv    # beside the run
    imaxproxy power join imax-runs/20261126-replay smi.csv --power-devices 0,1

    nvidia-smi writes local time without a zone: this host's is taken. Exit 1 when the energy is not to be believed.
    """
    directory = RunDirectory.open(run)
    manifest = _manifest(directory, replaces=replaces)
    engine = manifest.engine or {}
    mapping = Mapping(devices=power_devices, gpus=engine.get("gpus"))
    beside = Path(f"{directory.power}.joining")
    try:
        count = import_recording(recording, beside, manifest.clock, mapping, shift_ns=round(shift_s * NS_PER_S))
        _check_overlap(_recorded(beside), _played(directory), recording, manifest.clock)
        os.replace(beside, directory.power)
    finally:
        beside.unlink(missing_ok=True)
    say(f"imaxproxy: {count:,} power samples from {recording}")
    settings = {name: value for name, value in manifest.settings.items() if name != "power_unavailable"}
    replace(manifest, settings=settings | {"power_sources": [f"file:{recording}"]}).write(directory)
    summary = sum_up(directory)
    print_result(summary, directory, as_json=as_json)
    return 0 if summary["energy"] and summary["energy"]["valid"] else 1


def _manifest(directory: RunDirectory, *, replaces: bool) -> Manifest:
    manifest = Manifest.read(directory)
    if manifest is None:
        raise UsageError(f"{directory.path} has no manifest.json: nothing tells its clock")
    if (manifest.engine or {}).get("simulated"):
        raise UsageError(f"{directory.path} is simulated: its boards are modelled, and no recording is of them")
    if directory.power.exists() and not replaces:
        raise UsageError(f"{directory.path} has a power.jsonl of its own: give --replace to take the recording instead")
    return manifest


def _recorded(path: Path) -> Span | None:
    times_ns = [line.time_ns for line in read_power(path) if isinstance(line, PowerSample)]
    return (min(times_ns), max(times_ns)) if times_ns else None


def _played(directory: RunDirectory) -> Span | None:
    """From the first send to the last end."""
    begun: int | None = None
    ended = 0
    for exchange in read_journal(directory, outline=True):
        if exchange.ask.sent_ns is not None:
            begun = exchange.ask.sent_ns if begun is None else min(begun, exchange.ask.sent_ns)
            ended = max(ended, exchange.ended_ns)
    return None if begun is None else (begun, ended)


def _check_overlap(recorded: Span | None, played: Span | None, path: Path, clock: dict[str, Any]) -> None:
    """Raises UsageError, with both times, for a recording of another hour."""
    if recorded is None:
        raise UsageError(f"{path} holds no sample")
    if played is None:
        raise UsageError("the run has sent nothing: there is no time to join a recording with")
    if recorded[1] < played[0] or recorded[0] > played[1]:
        raise UsageError(
            f"{path} is of {_said(recorded, clock)}, the run of {_said(played, clock)}: they do not meet; give "
            "--shift S if a clock or a time zone was off"
        )


def _said(span: Span, clock: dict[str, Any]) -> str:
    at_s = [float(clock["unix_s"]) + (time_ns - int(clock["monotonic_ns"])) / NS_PER_S for time_ns in span]
    begin, end = (datetime.fromtimestamp(each, UTC) for each in at_s)
    return f"{begin:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S} UTC"
