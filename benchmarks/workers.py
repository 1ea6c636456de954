"""What a second worker costs:  .venv/bin/python -m benchmarks.workers [--streams 200] [--repeats 5]

The same streams received by 1 and by 2 worker processes on one core, the source on another: CPU an event of the workers
(their own account), and of the whole command. Efficiency is the one-worker cost over the two-worker cost of the same
round: 1 means that a second worker on a core of its own receives as much again. Two minutes on a quiet machine.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.cpu import cores
from benchmarks.machine import describe, moment
from benchmarks.paths import RUNS, imaxproxy
from benchmarks.process import Child
from benchmarks.rig import Load, Source, lasting, write_trace

WORKERS = 1, 2


@dataclass(frozen=True)
class Cost:
    """One run. CPU in us an event."""

    workers: int
    events: int
    worker_us: float
    all_in_us: float


def measure(load: Load, workers: int, folder: Path) -> Cost:
    trace = write_trace(load, folder)
    source = Source(load, folder)
    try:
        flags = ["--concurrency", load.streams, "--model", "bench", "--calibrate", "never", "--workers", workers]
        command = [imaxproxy(), "replay", trace, "--url", f"{source.url}/v1", *flags, "--out", folder / "run"]
        ended = Child(cores()[1], command, folder / "log").wait(load.limit_s)
    finally:
        source.stop()
    events = source.truth().events
    samples = [json.loads(line) for path in (folder / "run").glob("meter-*.jsonl") for line in path.open()]
    worker_us = sum(sample["cpu_ns"] for sample in samples) / events / 1000
    return Cost(workers, events, worker_us, ended.cpu_s / events * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument("--streams", type=int, default=200, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=6, help="of streaming a run (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of both (default: %(default)s)")
    options = parser.parse_args()
    load = lasting(options.seconds, Load(options.streams, options.streams, 400, phases="together"))
    before = moment()
    rounds = [_round(load, number) for number in range(options.repeats)]
    events = rounds[0][1].events
    print(f"{before}, {describe()}; {events:,} events a run, {options.streams} streams of a token each 5 ms")
    print(f"medians (least to most) of {options.repeats} rounds, who goes first in turn\n")
    print("| workers | CPU an event, us, of the workers | of the whole command | efficiency |")
    print("|---:|---:|---:|---:|")
    for workers in WORKERS:
        runs = [each[workers] for each in rounds]
        shares = [each[1].worker_us / each[workers].worker_us for each in rounds]
        own, all_in = _spread([run.worker_us for run in runs]), _spread([run.all_in_us for run in runs])
        print(f"| {workers} | {own} | {all_in} | {_spread(shares)} |")


def _round(load: Load, number: int) -> dict[int, Cost]:
    """One run of each, in turn the other way round: what drifts on the machine falls on both."""
    order = WORKERS if number % 2 == 0 else WORKERS[::-1]
    return {workers: measure(load, workers, RUNS / f"workers-{workers}") for workers in order}


def _spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
