"""A trace of a million rows: when its first request is at the engine, and what memory the replay takes meanwhile.

    .venv/bin/python -m benchmarks.long_trace [--rows 1000000] [--seconds 10]

The trace is written first. Its engine is a simulated one that runs already, each on a core of its own. First request:
from the command's start to the engine's first read, by its own truth log. Memory: of the command and its workers,
sampled ten times a second: the sum of their resident sets at its most, and its growth over the second half of the run.
"""

import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.cpu import cores, pinned
from benchmarks.paths import imaxproxy

_PAGE_KB = os.sysconf("SC_PAGE_SIZE") / 1024
_SAMPLE_S = 0.1
_SHARED_BLOCKS = 4


@dataclass(frozen=True)
class Case:
    """One way to play one file."""

    name: str
    file: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Started:
    """What one run was seen to do."""

    first_request_s: float
    requests: int
    most_mb: float
    growth_mb: float
    wall_s: float


CASES = (
    Case("Mooncake rows, their own stamps", "mooncake.jsonl", ()),
    Case("the same, .gz", "mooncake.jsonl.gz", ()),
    Case("the same, --rate 500", "mooncake.jsonl", ("--rate", "500")),
    Case("the same, --concurrency 64", "mooncake.jsonl", ("--concurrency", "64")),
    Case("the same, --workers 2", "mooncake.jsonl", ("--workers", "2")),
    Case("sessions of four turns", "sessions.jsonl", ()),
)


def write_traces(folder: Path, rows: int) -> None:
    """A million requests in 33 minutes, of 200 to 4,000 tokens in, 5 to 50 out, the first blocks shared by all."""
    rng = random.Random(1)
    with (folder / "mooncake.jsonl").open("w") as plain, gzip.open(folder / "mooncake.jsonl.gz", "wt", 1) as packed:
        for number in range(rows):
            length = rng.randrange(200, 4000)
            blocks = [min(place, _SHARED_BLOCKS) + place * number * 10 for place in range(-(-length // 512))]
            line = json.dumps(
                {
                    "timestamp": 2 * number,
                    "input_length": length,
                    "output_length": rng.randrange(5, 50),
                    "hash_ids": blocks,
                }
            )
            plain.write(line + "\n")
            packed.write(line + "\n")
    with (folder / "sessions.jsonl").open("w") as sessions:
        for number in range(rows):
            session, turn = divmod(number, 4)
            fields = {"session_id": f"s{session}", "turn": turn, "timestamp": 2 * number, "delay": 50}
            sessions.write(json.dumps(fields | {"input_length": 300 * (turn + 1), "output_length": 10}) + "\n")


@contextmanager
def engine(truth: Path) -> Iterator[str]:
    """The simulated engine; its URL."""
    flags = ["--model", "tiny", "--fixed-step-ms", "2", "--truth", str(truth), "--stop-with-parent"]
    process = subprocess.Popen(
        pinned(cores()[0], sys.executable, "-m", "imaxproxy.sim", *flags), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}/v1"
    finally:
        process.terminate()
        process.wait()


def play(case: Case, folder: Path, seconds: float) -> Started:
    """Run it once. Raises RuntimeError with its last line when it fails."""
    truth = folder / "truth.jsonl"
    with engine(truth) as url, tempfile.TemporaryDirectory(dir=folder) as out:
        flags = ("--duration", str(seconds), "--calibrate", "never", "--out", f"{out}/run", "--json")
        started_ns = time.monotonic_ns()
        process = subprocess.Popen(
            pinned(cores()[1], imaxproxy(), "replay", folder / case.file, "--url", url, *case.flags, *flags),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        kb = []
        while process.poll() is None:
            kb.append(_resident_kb(process.pid))
            time.sleep(_SAMPLE_S)
        wall_s = (time.monotonic_ns() - started_ns) / 1e9
        assert process.stderr is not None
        said = process.stderr.read().decode()
        if process.returncode:
            raise RuntimeError(f"{case.name}: exit {process.returncode}: {said.splitlines()[-1:]}")
    asked = [json.loads(line)["t_first_byte_in_ns"] for line in truth.read_text().splitlines()]
    half = len(kb) // 2
    growth_kb = max(kb[half:]) - max(kb[half // 2 : half])
    return Started((min(asked) - started_ns) / 1e9, len(asked), max(kb) / 1024, growth_kb / 1024, wall_s)


def _resident_kb(pid: int) -> float:
    """Of a process and all that came of it."""
    try:
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KB
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    return own + sum(_resident_kb(int(child)) for child in children)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_trace", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print("| trace, flags | first request, s: median (most) | requests sent | peak RSS, MB | growth, MB | wall, s |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_traces(folder, options.rows)
        for case in CASES:
            runs = [play(case, folder, options.seconds) for _ in range(options.repeats)]
            firsts = [run.first_request_s for run in runs]
            cells = [case.name, f"{median(firsts):.2f} ({max(firsts):.2f})", f"{runs[-1].requests:,}"]
            cells += [f"{max(run.most_mb for run in runs):.0f}", f"{max(run.growth_mb for run in runs):+.0f}"]
            print("|", " | ".join([*cells, f"{median(run.wall_s for run in runs):.1f}"]), "|", flush=True)


if __name__ == "__main__":
    main()
