"""What a second worker costs:  .venv/bin/python -m benchmarks.workers [--streams 200] [--repeats 3]

The same streams received by 1 and by 2 worker processes on one core, the source on another: CPU an event of the workers
(their own account), and of the whole command. Efficiency is the one-worker cost over the two-worker cost: 1 means that
a second worker on a core of its own receives as much again.
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
    parser.add_argument("--repeats", type=int, default=3, help="medians of so many (default: %(default)s)")
    options = parser.parse_args()
    load = lasting(options.seconds, Load(options.streams, options.streams, 400, phases="together"))
    before = moment()
    runs = [measure(load, workers, RUNS / f"workers-{workers}") for _ in range(options.repeats) for workers in WORKERS]
    print(f"{before}, {describe()}; {runs[0].events:,} events a run, {options.streams} streams of a token each 5 ms\n")
    print("| workers | CPU an event, us, of the workers | of the whole command | efficiency |")
    print("|---:|---:|---:|---:|")
    costs = {w: [run for run in runs if run.workers == w] for w in WORKERS}
    alone_us = median(run.worker_us for run in costs[1])
    for workers, found in costs.items():
        own = [run.worker_us for run in found]
        share = alone_us / median(own)
        print(
            f"| {workers} | {median(own):.2f} ({min(own):.2f} to {max(own):.2f}) | "
            f"{median(run.all_in_us for run in found):.2f} | {share:.2f} |"
        )


if __name__ == "__main__":
    main()
