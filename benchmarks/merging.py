"""Is a merge exact, and what does it cost:  .venv/bin/python -m benchmarks.merging [--requests 2000]

One process plays a trace (in virtual time: the same run each time). The run is dealt out to 1, 2, 4 and 8 shares as
`replay --share` deals it, each on a clock of its own, and merged by `imaxproxy merge`. Summary and histograms are held
against those of the one process.
"""

import argparse
import json
import random
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.machine import describe, moment
from imaxproxy.clock import NS_PER_S
from imaxproxy.load import Placement, Rules, closed_loop
from imaxproxy.load.virtual import VirtualPlayer
from imaxproxy.load.virtual_request import RequestMaker
from imaxproxy.metrics import Exchange, HealthSample
from imaxproxy.runs import Journal, Manifest, RunDirectory, read_hlog, share_record, summarize
from imaxproxy.runs.journal import exchange_row
from imaxproxy.runs.merge import open_shares
from imaxproxy.runs.shift import EXCHANGE_TIMES, line_of, shifted
from imaxproxy.sim import assemble, parse_args
from imaxproxy.traces import Prompts, TraceRow

SHARES = 1, 2, 4, 8
_OF_THE_RUN = ("started_at", "shares", "trace")
"""What says how a run came about; all else must be the same."""
_SETTINGS = {"seed": 0, "salt": "merging", "workers": 1}
_START = {"by": "wall_clock", "unix_s": 1.8e9, "error_ms": 1.0}


@dataclass(frozen=True)
class Merged:
    """One merge. MB and events of all its journals."""

    shares: int
    same_summary: bool
    same_histograms: bool
    merge_s: float
    summary_s: float
    journal_mb: float
    events: int

    def row(self) -> str:
        """Of the table."""
        same = "identical" if self.same_summary and self.same_histograms else "**different**"
        return (
            f"| {self.shares} | {same} | {self.merge_s:.2f} | {self.merge_s / self.events * 1e6:.2f} | "
            f"{self.journal_mb / self.merge_s:,.0f} | {self.summary_s:.2f} |"
        )


def play(requests: int) -> list[tuple[TraceRow, Exchange]]:
    """A run of one process, with the row behind each exchange."""
    rng = random.Random(0)
    rows = [
        TraceRow(str(n), input_length=rng.randint(50, 2000), output_length=rng.randint(50, 600))
        for n in range(requests)
    ]
    found: list[Exchange] = []
    parts = assemble(parse_args(["--gpu", "b200", "--tp", "1"]))
    maker = RequestMaker(parts.limits, 0, "completions", Prompts(0, "merging"))
    VirtualPlayer(parts, maker, Rules(concurrency=64), found.append, tracks=False).play(closed_loop(rows))
    by_id = {row.request_id: row for row in rows}
    return [(by_id[exchange.ask.request_id], exchange) for exchange in found]


def whole(folder: Path, run: list[tuple[TraceRow, Exchange]], shares: int) -> RunDirectory:
    """The run as one process leaves it, its health that of `shares` workers."""
    folder.mkdir()
    directory = RunDirectory(folder)
    journal = Journal(directory)
    for _, exchange in run:
        journal.add(exchange)
    for worker in range(shares):
        journal.add_health(_health(worker, 0))
    journal.close()
    Manifest("replay", [], _SETTINGS, ended="finished", clock=_clock(0)).write(directory)
    summarize(directory)
    return directory


def dealt(folder: Path, run: list[tuple[TraceRow, Exchange]], shares: int) -> list[Path]:
    """The run as so many machines leave it, whose clocks have nothing to do with each other."""
    placement, rng = Placement(shares), random.Random(1)
    lines: list[list[bytes]] = [[] for _ in range(shares)]
    ahead_ns = [0, *(rng.randrange(10**17) for _ in range(1, shares))]
    for row, exchange in sorted(run, key=lambda each: int(each[0].request_id)):
        worker = placement.worker_of(row)
        lines[worker].append(line_of(shifted(exchange_row(exchange), EXCHANGE_TIMES, ahead_ns[worker])))
    paths = []
    for index in range(shares):
        path = folder / f"share-{index}"
        path.mkdir(parents=True)
        directory = RunDirectory(path)
        directory.journal(index).write_bytes(b"".join(lines[index]))
        directory.meter(index).write_bytes(line_of(_health(index, ahead_ns[index]).as_dict()))
        record = share_record(index, shares, [index], ahead_ns[index], _START) | {"clock_id": f"clock {index}"}
        clock = _clock(ahead_ns[index])
        Manifest("replay", [], _SETTINGS, ended="finished", shares=[record], clock=clock).write(directory)
        paths.append(path)
    return paths


def measure(folder: Path, run: list[tuple[TraceRow, Exchange]], shares: int) -> Merged:
    one = whole(folder / "whole", run, shares)
    paths = dealt(folder, run, shares)
    out = RunDirectory.create(folder / "merged", "merge")
    began_s = time.perf_counter()
    open_shares(paths, allow_missing=False, limit_share=0.0).merge(out)
    merged_s = time.perf_counter()
    summarize(out)
    ended_s = time.perf_counter()
    encoded = [{k: h.encode() for k, h in read_hlog(each.histograms).items()} for each in (one, out)]
    summaries = [_figures(each) for each in (one, out)]
    return Merged(
        shares,
        summaries[0] == summaries[1],
        encoded[0] == encoded[1],
        merged_s - began_s,
        ended_s - merged_s,
        sum(path.stat().st_size for path in out.journals()) / 1e6,
        sum(len(exchange.timeline) for _, exchange in run),
    )


def _figures(run: RunDirectory) -> dict[str, Any]:
    summary = orjson.loads(run.summary.read_bytes())
    return {name: value for name, value in summary.items() if name not in _OF_THE_RUN}


def _health(worker: int, ahead_ns: int) -> HealthSample:
    return HealthSample(worker, NS_PER_S + ahead_ns, NS_PER_S, NS_PER_S // 100, {100: 50})


def _clock(ahead_ns: int) -> dict[str, Any]:
    return {"source": "CLOCK_MONOTONIC", "monotonic_ns": ahead_ns, "unix_s": 1.8e9}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.merging", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000, help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write every merge here")
    options = parser.parse_args()
    run = play(options.requests)
    found = []
    for shares in SHARES:
        folder = Path(tempfile.mkdtemp(prefix="merging-"))
        try:
            found.append(measure(folder, run, shares))
        finally:
            shutil.rmtree(folder)
    first = found[0]
    print(
        f"{options.requests:,} requests, {first.events:,} events, {first.journal_mb:.0f} MB; {moment()}, {describe()}\n"
    )
    print(
        "| shares | summary and histograms beside one process's | merge s | us an event | MB/s | then the summary, s |"
    )
    print("|---:|---|---:|---:|---:|---:|")
    for each in found:
        print(each.row())
    if options.json:
        options.json.write_text(json.dumps([vars(each) for each in found], indent=1))


if __name__ == "__main__":
    main()
