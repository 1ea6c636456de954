"""What it costs to read runs: `compare` of two long ones, a summary made anew, the list of many.

    .venv/bin/python -m benchmarks.reading_runs [--requests 100000] [--events 120] [--runs 500] [--repeats 3]

The runs are written first, as a replay writes them: a journal line a request, streams of --events token events. Each
command is a process of its own; CPU is that of the process and all its children, memory the largest of one of them.
"""

import argparse
import os
import random
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import orjson

from benchmarks.machine import describe, moment
from benchmarks.paths import imaxproxy
from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.runs import Manifest, RunDirectory

_MADE_GAPS = 997
"""Streams' gaps are taken from so many lists in turn: drawing each would take longer than what is measured."""
_ENGINE = {"simulated": False, "model": "m", "gpu": "b200", "gpus": 1, "engine": "vllm", "precision": "fp4"}


@dataclass(frozen=True)
class Cost:
    """Of one command."""

    wall_s: float
    cpu_s: float
    most_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=120)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    before = moment()
    with tempfile.TemporaryDirectory(prefix="imax-reading-") as folder:
        a, b = (_write_run(Path(folder) / name, asked.requests, asked.events, seed) for seed, name in enumerate("ab"))
        rows = [(f"`report RUN`, {asked.requests:,} requests", _repeated(asked.repeats, "report", a))]
        _measured("report", b)
        rows.append((f"`compare A B`, {asked.requests:,} requests each", _repeated(asked.repeats, "compare", a, b)))
        many = _copies(a, Path(folder) / "many", asked.runs)
        rows.append((f"`report --list`, {asked.runs} runs", _repeated(asked.repeats, "report", "--list", many)))
    print("| command | wall s | CPU s | memory MB |\n|---|---|---|---|")
    for name, costs in rows:
        figures = [median(getattr(cost, field) for cost in costs) for field in ("wall_s", "cpu_s", "most_mb")]
        print(f"| {name} | {figures[0]:.1f} | {figures[1]:.1f} | {figures[2]:.0f} |")
    print(
        f"\nMedians of {asked.repeats}; {asked.events} token events a request. "
        f"{before.at}, load {before.load_1min:.1f} before."
    )
    print("; ".join(f"{name} {value}" for name, value in describe().items()))


def _write_run(path: Path, requests: int, events: int, seed: int) -> Path:
    """A closed loop of 64; TTFT about 100 ms, a token about each 10 ms (run b: 3 % later)."""
    rng = random.Random(seed)
    path.mkdir()
    run = RunDirectory(path)
    made_gaps = [
        [round(rng.gammavariate(20, 0.5 + 0.015 * seed) * NS_PER_MS) for _ in range(events - 1)]
        for _ in range(_MADE_GAPS)
    ]
    free_ns = [NS_PER_S] * 64
    with run.journal(0).open("wb") as file:
        for number in range(requests):
            sent_ns = free_ns[number % 64]
            gaps_ns = made_gaps[rng.randrange(_MADE_GAPS)]
            first_ns = sent_ns + round(rng.gammavariate(5, 20) * NS_PER_MS)
            free_ns[number % 64] = first_ns + sum(gaps_ns) + NS_PER_MS
            file.write(orjson.dumps(_row(number, sent_ns, first_ns, gaps_ns), option=orjson.OPT_APPEND_NEWLINE))
    settings = {"concurrency": 64, "endpoint": "chat", "model": "m"}
    trace = {"path": "t.jsonl", "sha256": "0" * 64, "skipped": 0, "clamped": 0}
    Manifest("replay", ["imaxproxy", "replay"], settings, _ENGINE, trace, ended="finished").write(run)
    return path


def _row(number: int, sent_ns: int, first_ns: int, gaps_ns: list[int]) -> dict[str, object]:
    """As `imaxproxy.runs.journal.exchange_row` writes it."""
    events = len(gaps_ns) + 1
    return {
        "request_id": f"request-{number}",
        "path": "/v1/chat/completions",
        "started_ns": sent_ns - NS_PER_MS,
        "sent_ns": sent_ns,
        "dialect": "chat",
        "planned_input_tokens": 1000,
        "planned_output_tokens": events,
        "outcome": "completed",
        "ending": "completed",
        "ended_ns": first_ns + sum(gaps_ns) + NS_PER_MS,
        "streamed": True,
        "status": 200,
        "first_byte_ns": first_ns,
        "first_event_ns": first_ns,
        "model": "m",
        "finish_reason": "length",
        "usage": {"input_tokens": 1000, "output_tokens": events},
        "counted_by": "usage",
        "first_token_ns": first_ns,
        "gaps_ns": gaps_ns,
        "marks": [("c", 1, events)],
        "coalesced_events": 0,
    }


def _copies(run: Path, folder: Path, count: int) -> Path:
    """Runs whose journals are one line: a list does not read them."""
    for number in range(count):
        path = folder / f"run-{number}"
        path.mkdir(parents=True)
        for name in ("manifest.json", "summary.json"):
            shutil.copy(run / name, path / name)
        (path / "exchanges-0.jsonl").touch()
        os.utime(path / "exchanges-0.jsonl", (0, 0))
    return folder


def _repeated(repeats: int, *arguments: object) -> list[Cost]:
    return [_measured(*arguments) for _ in range(repeats)]


def _measured(*arguments: object) -> Cost:
    """Raises CalledProcessError for a command that failed."""
    argv = [imaxproxy(), *map(str, arguments)]
    began_s = time.monotonic()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # its children's, too, and of memory the largest one's
    wall_s = time.monotonic() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, argv)
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
