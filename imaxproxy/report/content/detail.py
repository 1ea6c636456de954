"""A run request by request: its timeline and its waterfall, read from the journal in a process of its own."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from imaxproxy.errors import ImaxproxyError
from imaxproxy.metrics import Window
from imaxproxy.report.content.timeline import RunTimeline, TimelineBuilder, power_of
from imaxproxy.report.content.waterfall import Waterfall, WaterfallBuilder
from imaxproxy.runs import RunDirectory, read_journal


@dataclass(frozen=True, slots=True)
class Detail:
    """What only the journal knows."""

    timeline: RunTimeline
    waterfall: Waterfall


def read_detail(path: Path) -> Detail:
    """Read the journal twice, for its window and for all else. Raises ImaxproxyError for a broken journal, and for one
    without a measured request."""
    run = RunDirectory(path)
    whole = _window(run)
    timeline, waterfall = TimelineBuilder(whole), WaterfallBuilder()
    for exchange in read_journal(run):
        timeline.add(exchange)
        waterfall.add(exchange)
    return Detail(timeline.close(*power_of(run, timeline.edges_ns)), waterfall.close(whole.start_ns))


def read_details(paths: Sequence[Path]) -> list[Detail | ImaxproxyError]:
    """Of several runs, side by side; a run whose journal cannot be read has its error instead."""
    if len(paths) < 2:
        return [_read_or_error(path) for path in paths]
    with ProcessPoolExecutor(min(len(paths), os.cpu_count() or 1)) as pool:
        return list(pool.map(_read_or_error, paths))


def _read_or_error(path: Path) -> Detail | ImaxproxyError:
    try:
        return read_detail(path)
    except ImaxproxyError as error:
        return ImaxproxyError(str(error))  # without what a pickle of it would drag along


def _window(run: RunDirectory) -> Window:
    """From the first send to the last end, as the summary has it."""
    start_ns, end_ns = None, 0
    for exchange in read_journal(run, outline=True):
        if exchange.ask.dialect is None:
            continue
        begun_ns = exchange.ask.begun_ns
        start_ns = begun_ns if start_ns is None else min(start_ns, begun_ns)
        end_ns = max(end_ns, exchange.ended_ns)
    if start_ns is None:
        raise ImaxproxyError(f"{run.path} has no measured request")
    return Window(start_ns, max(end_ns, start_ns) + 1)
