"""What watching `replay --ray` costs its nodes and its command:  .venv/bin/python -m benchmarks.watched_nodes

One: looks as a node makes them (journal lines of a second read and counted, workers' answers merged), how large they
are on the wire, what the command spends to take in one, and to make a snapshot of 1, 8, 64 nodes. In this process, by
its CPU clock, the least of several.

Two, with --raylets N: a real cluster of raylets on loopback, streams of 40 tokens/s from the C source; CPU of each
node's workers and of its actor, from the OS, with nobody watching and with one viewer, in turn.
"""

import argparse
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from benchmarks.cpu import stat, tree
from benchmarks.machine import describe, moment
from benchmarks.rig import Load, Source, write_trace
from imaxproxy.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from imaxproxy.live.feed import Beside, CrewView, Facts, Look, NodesSeen, SnapshotMaker
from imaxproxy.metrics import (
    ANSWER,
    Ask,
    CountedBy,
    Exchange,
    HealthSample,
    LivePart,
    Outcome,
    Timeline,
    Usage,
    mark,
    objectives_of,
)
from imaxproxy.runs import Journal, RunDirectory

_RAYLETS = Path(__file__).resolve().parents[1] / "tests" / "cluster" / "raylets.py"
OBJECTIVES = objectives_of("ttft_ms<500,tpot_ms<50@p99")
TOKENS, ITL_MS = 200, 25
WORKERS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", default="10,50,200", help="that end a second on each node (default: %(default)s)")
    parser.add_argument("--raylets", type=int, default=0, help="of a real cluster; 0: none")
    parser.add_argument("--streams", type=int, default=400, help="in flight on all nodes together")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print(f"{moment()}, {describe()}\n")
    if asked.raylets:
        on_raylets(asked.raylets, asked.streams, asked.rounds)
        return
    print("| requests ended/s on a node | a look, ms of the node | on the wire | taken in, ms of the command "
          "| a snapshot of 1, 8, 64 nodes, ms |\n|---:|---:|---:|---:|---:|")  # fmt: skip
    for requests in map(int, asked.requests.split(",")):
        print(of_looks(requests), flush=True)


# Looks ----------------------------------------------------------------------------------------------------------------


class Crew:
    """Workers that answer at once, each as one with streams in flight does."""

    on_live: Callable[[int, dict[str, Any]], None]
    zero_ns: int | None = 0
    size = WORKERS

    def __init__(self) -> None:
        self._rng, self._at_ns = Random(1), monotonic_ns()

    def look(self) -> None:
        since_ns, self._at_ns = self._at_ns, self._at_ns + NS_PER_S
        for worker in range(self.size):
            part = LivePart(self._at_ns, since_ns, processes=1, events=2000, in_flight=50, ended=5)
            draw = self._rng.lognormvariate
            part.gap_ns.add_all([round(ITL_MS * NS_PER_MS * draw(0, 0.2)) for _ in range(2000)])
            part.ttft_ns.add_all([round(80 * NS_PER_MS * draw(0, 0.4)) for _ in range(5)])
            part.tps_now_micro.add_all([round(40e6 * draw(0, 0.05)) for _ in range(50)])
            part.streams = [
                {"id": f"{worker}-{n}", "model": "m", "upstream": None, "client": None, "tag": None, "age_s": 2.5,
                 "ttft_ms": 80.1, "tokens": 99, "told": False, "tps": 40.1, "idle_s": 0.011, "state": "streaming"}
                for n in range(50)
            ]  # fmt: skip
            self.on_live(worker, part.as_row())


def of_looks(requests: int) -> str:
    """One line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder))
        journal, crew, rng = Journal(run), Crew(), Random(2)
        view = CrewView(run, crew, OBJECTIVES)
        looks_s, sizes, taken_s, looks = [], [], [], []
        for second in range(8):
            for number in range(requests):
                journal.add(_exchange(f"{second}-{number}", rng))
            for worker in range(WORKERS):
                journal.add_health(HealthSample(worker, monotonic_ns(), NS_PER_S, NS_PER_S // 3, {60: 40, 200: 11}))
            began_s = time.process_time()
            look = view.look()
            looks_s.append(time.process_time() - began_s)
            data = pickle.dumps(look)
            sizes.append(len(data))
            looks.append(data)
        seen = NodesSeen(OBJECTIVES, keeps_lost=False)
        seen.add("n", range(WORKERS))
        for data in looks:
            began_s = time.process_time()
            taken: Look = pickle.loads(data)
            seen.take("n", taken)
            taken_s.append(time.process_time() - began_s)
        made = [f"{1000 * _snapshot_s(looks, nodes):.0f}" for nodes in (1, 8, 64)]
    return (
        f"| {requests} | {1000 * min(looks_s[1:]):.1f} | {median(sizes) / 1000:.0f} kB | {1000 * median(taken_s):.1f} "
        f"| {', '.join(made)} |"
    )


def _snapshot_s(looks: list[bytes], nodes: int) -> float:
    """CPU of the last of several: the window is full by then."""
    seen = NodesSeen(OBJECTIVES, keeps_lost=False)
    maker = SnapshotMaker("replay", "", 0, Beside(RunDirectory(Path("/nonexistent")), None, {}), OBJECTIVES)
    for node in range(nodes):
        seen.add(f"n{node}", range(node * WORKERS, (node + 1) * WORKERS))
    spent_s = []
    for data in looks:
        parts = {name: part for name in seen.nodes if (part := seen.take(name, pickle.loads(data))) is not None}
        began_s = time.process_time()
        maker.make(seen.totals, parts, Facts(nodes=list(seen.nodes.values())))
        spent_s.append(time.process_time() - began_s)
    return spent_s[-1]


def _exchange(name: str, rng: Random) -> Exchange:
    sent_ns = monotonic_ns() - 6 * NS_PER_S
    times_ns, at_ns = [], sent_ns + round(80 * NS_PER_MS * rng.lognormvariate(0, 0.4))
    for _ in range(TOKENS):
        times_ns.append(at_ns)
        at_ns += round(ITL_MS * NS_PER_MS * rng.lognormvariate(0, 0.2))
    return Exchange(
        Ask(name, "/v1/chat/completions", sent_ns, sent_ns=sent_ns, scheduled_ns=sent_ns - 9000, dialect="chat"),
        Outcome.COMPLETED,
        times_ns[-1],
        streamed=True,
        model="m",
        usage=Usage(500, TOKENS),
        counted_by=CountedBy.USAGE,
        timeline=Timeline(times_ns, [mark(ANSWER, 1)] * TOKENS),
    )


# A cluster ------------------------------------------------------------------------------------------------------------


def on_raylets(nodes: int, streams: int, rounds: int, each_s: float = 8.0) -> None:
    """CPU of workers and actors without a viewer and with one, in turn."""
    seconds = 2 * each_s * (rounds + 1) + 20
    with tempfile.TemporaryDirectory() as name, _raylets(nodes) as (address, root):
        folder = Path(name)
        load = Load(streams, round(streams * seconds / 5), TOKENS, itl_ms=ITL_MS)
        trace, source = write_trace(load, folder / "replay"), Source(load, folder)
        line = [sys.executable, "-m", "imaxproxy.cli.main", "replay", trace, "--url", f"{source.url}/v1", "--model",
                "m", "--concurrency", streams, "--ray", address, "--live-port", 0, "--calibrate", "never", "--out",
                folder / "run", "--duration", seconds, "--no-screen", "--json"]  # fmt: skip
        command = subprocess.Popen(list(map(str, line)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            assert command.stderr is not None
            url = next(found[1] for text in command.stderr if (found := re.search(r"top (http://\S+)", text)))
            threading.Thread(target=command.stderr.read, daemon=True).start()
            time.sleep(6)
            workers = [pid for pid in tree(root) if "conduct.replay.worker" in _line_of(pid)]
            whose = {
                "workers": workers,
                "actors": list({int(stat(pid)[1]) for pid in workers}),
                "command": [command.pid],
            }
            plain, watched = [], []
            for _ in range(rounds):
                plain.append(_shares(whose, each_s))
                with _viewer(url) as seen:
                    time.sleep(2)
                    watched.append(_shares(whose, each_s - 2))
            told = f"{median(seen):.2%}" if seen else "nothing"
            print(
                f"{nodes} nodes, {streams} streams, {streams * 1000 / ITL_MS:,.0f} events/s; each worker says {told}\n"
            )
            print("| CPU share of one | nobody watches | one viewer | apart: each round |\n|---|---:|---:|---|")
            for who, pids in whose.items():
                off, on = ([row[who] / len(pids) for row in rows] for rows in (plain, watched))
                apart = ", ".join(f"{a - b:+.2%}" for a, b in zip(on, off, strict=True))
                print(f"| {who} ({len(pids)}) | {median(off):.2%} | {median(on):.2%} | {apart} |")
        finally:
            command.terminate()
            command.wait()
            source.stop()


def _shares(whose: dict[str, list[int]], seconds: float) -> dict[str, float]:
    """CPU seconds a second of all of each together, over the next so many; a worker is not its actor's."""
    before, began_s = {who: _cpu_s(pids) for who, pids in whose.items()}, time.monotonic()
    time.sleep(seconds)
    over_s = time.monotonic() - began_s
    return {who: (_cpu_s(pids) - before[who]) / over_s for who, pids in whose.items()}


def _cpu_s(pids: list[int]) -> float:
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def _line_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@contextmanager
def _viewer(url: str) -> Iterator[list[float]]:
    """Reads the feed in a thread; what data processes say that it costs them."""
    shares: list[float] = []
    leave = threading.Event()

    def read() -> None:
        with urllib.request.urlopen(f"{url}/imax/live", timeout=20) as feed:
            for text in feed:
                if leave.is_set():
                    return
                if text.startswith(b"data: ") and (share := json.loads(text[6:])["meter"]["view_cpu_share"]):
                    shares.append(share)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield shares
    finally:
        leave.set()
        thread.join()


@contextmanager
def _raylets(nodes: int) -> Iterator[tuple[str, int]]:
    """Their address, and the process above them all."""
    asked = json.dumps({"raylets": nodes, "cpus": 2, "gpus": 0, "environments": []})
    line, environment = [sys.executable, str(_RAYLETS), asked], {**os.environ, "PYTHONPATH": str(_RAYLETS.parents[2])}
    with subprocess.Popen(line, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, env=environment, text=True) as raylets:
        assert raylets.stdin is not None
        assert raylets.stdout is not None
        yield json.loads(raylets.stdout.readline())["address"], raylets.pid
        raylets.stdin.close()


if __name__ == "__main__":
    main()
