"""What summing up a run costs:  .venv/bin/python -m benchmarks.summing [--events 20000000]

The journals of two workers are made, as a long run leaves them (`made_journals`). One process and two sum them up, each
in a process of its own; CPU is that of the process and its helpers, memory the largest of one of them. All have to
write the same summary, byte for byte.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import describe, moment
from benchmarks.made_journals import make_run
from imaxproxy.runs import RunDirectory

PROCESSES = 1, 2
_CHILD = """
import resource, sys
from pathlib import Path
from imaxproxy.runs import RunDirectory, summarize
from imaxproxy.runs.summing import JournalSummer
run = RunDirectory(Path(sys.argv[1]))
with JournalSummer(run, processes=int(sys.argv[2])) as summer:
    summarize(run, summer=summer)
"""


@dataclass(frozen=True)
class Cost:
    """Of one summing up."""

    processes: int
    wall_s: float
    cpu_s: float
    most_mb: float
    """Of the largest process."""

    def row(self, events: int) -> str:
        """Of the table."""
        return (
            f"| {self.processes} | {self.wall_s:.1f} | {events / self.wall_s / 1e6:.2f} | "
            f"{self.cpu_s / events * 1e6:.3f} | {self.most_mb:.0f} |"
        )


def measure(run: RunDirectory, processes: int) -> Cost:
    """Raises CalledProcessError where it failed."""
    argv = [sys.executable, "-c", _CHILD, str(run.path), str(processes)]
    began_s = time.monotonic()
    process = subprocess.Popen(argv)
    _, status, usage = os.wait4(process.pid, 0)  # its children's, too, and of memory the largest one's
    wall_s = time.monotonic() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, argv)
    return Cost(processes, wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.summing", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000_000, help="(default: %(default)s)")
    parser.add_argument("--events-each", type=int, default=500, help="of a request (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write every figure here")
    options = parser.parse_args()
    before, costs, summaries = moment(), [], set()
    with tempfile.TemporaryDirectory(prefix="imax-summing-") as folder:
        run = make_run(Path(folder) / "run", options.events, 2, options.events_each)
        size_mb = sum(path.stat().st_size for path in run.journals()) / 1e6
        for processes in PROCESSES * options.repeats:
            costs.append(measure(run, processes))
            summaries.add(run.summary.read_bytes() + run.histograms.read_bytes())
    print(f"{options.events:,} events, {options.events_each} a request, {size_mb:,.0f} MB; {before}, {describe()}\n")
    print("| processes | s | M events/s | CPU us an event | memory of the largest, MB |")
    print("|---:|---:|---:|---:|---:|")
    for cost in costs:
        print(cost.row(options.events))
    print(f"\nsummaries: {'identical' if len(summaries) == 1 else '**different**'}")
    if options.json:
        options.json.write_text(json.dumps([vars(cost) for cost in costs], indent=1))
    if len(summaries) != 1:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
