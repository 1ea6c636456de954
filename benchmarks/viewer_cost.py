"""python -m benchmarks.viewer_cost: what a viewer of /imax/live costs the proxy that it watches.

C client -> proxy -> source, the proxy alone on its core, streams of 40 tokens/s (or --itl-ms). After a while without a
viewer one comes, reads the feed and stays; then it has gone again. Printed for each number of streams: the proxy's CPU
share without and with it (from the OS), and what the proxy itself has counted of the view (`meter.view_cpu_share`).
"""

import argparse
import json
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

from benchmarks.cpu import cores, steal_s, tree_cpu_s
from benchmarks.proxies import Imaxproxy
from benchmarks.rig import Load, Source, c_client

LINGER_S = 5.5
"""So long the proxy looks on when its last viewer has gone."""


@dataclass
class Viewer:
    """Reads the feed in a thread until told to leave."""

    url: str
    shares: list[float] = field(default_factory=list)
    bytes_: list[int] = field(default_factory=list)
    _leave: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Viewer":
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self._thread.join()

    def _read(self) -> None:
        with urllib.request.urlopen(f"{self.url}/imax/live", timeout=10) as feed:
            for line in feed:
                if self._leave.is_set():
                    return
                if line.startswith(b"data: "):
                    share = json.loads(line[6:])["meter"]["view_cpu_share"]
                    if share is not None:
                        self.shares.append(share)
                    self.bytes_.append(len(line))


def in_flight(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/imax/stats", timeout=10) as answer:
        return int(json.load(answer)["in_flight"])


def wait_for(port: int, streams: int) -> None:
    """Until all are under way, and a little longer."""
    due_s = time.monotonic() + 30
    while in_flight(port) < streams:
        if time.monotonic() > due_s:
            raise SystemExit(f"not all of {streams} streams came up within 30 s")
        time.sleep(0.2)
    time.sleep(1)


def share_of(pid: int, seconds: float) -> float:
    """CPU seconds a second of a process tree, over the next so many."""
    cpu_s, began_s = tree_cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return (tree_cpu_s(pid) - cpu_s) / (time.monotonic() - began_s)


def measured(streams: int, itl_ms: float, seconds: float, rounds: int, folder: Path) -> str:
    """One line of the table."""
    each_s = LINGER_S + 2 * seconds
    tokens = round((rounds * each_s + seconds + 15) * 1000 / itl_ms)
    load = Load(streams, streams, tokens, itl_ms=itl_ms, phases="spread")
    source, stolen_s = Source(load, folder), steal_s()
    child, port = Imaxproxy().start(cores()[1], source.url, folder)
    client = c_client(cores()[2], port, load, folder)
    without, watched, counted, size, apart_s = [], [], [], [], []
    try:
        wait_for(port, streams)
        for _ in range(rounds):
            without.append(share_of(child.pid, seconds))
            with Viewer(f"http://127.0.0.1:{port}") as viewer:
                time.sleep(1)
                watched.append(share_of(child.pid, seconds - 1))
            counted += viewer.shares[-3:]
            size += viewer.bytes_
            apart_s.append(seconds / max(len(viewer.bytes_), 1))
            time.sleep(LINGER_S)
        without.append(share_of(child.pid, seconds))
        if in_flight(port) < streams:
            raise SystemExit(f"{streams} streams: some had ended before the end; the figures are of less")
    finally:
        client.stop()
        child.stop()
        source.stop()
    apart = [share - fmean(without[at : at + 2]) for at, share in enumerate(watched)]
    return (
        f"| {streams} | {streams * 1000 / itl_ms:,.0f} | {median(without):.3f} | {median(watched):.3f} "
        f"| {median(apart):+.2%} ({min(apart):+.2%} to {max(apart):+.2%}) | {median(counted):.2%} "
        f"| {median(size) / 1000:.0f} kB | {median(apart_s):.1f} s | {steal_s() - stolen_s:.1f} s |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", default="100,400,1000", help="comma-separated")
    parser.add_argument("--itl-ms", type=float, default=25.0)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each phase")
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    print("| streams | events/s | CPU share without | with | apart | counted by itself | a snapshot | each | steal |")
    print("|---|---|---|---|---|---|---|---|---|")
    for streams in map(int, asked.streams.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            print(measured(streams, asked.itl_ms, asked.seconds, asked.rounds, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
