"""What Ray itself costs a load on several nodes:  .venv/bin/python -m benchmarks.ray_cost [--nodes 3]

Raylets on loopback. Actor calls: how long one takes, and CPU of the command and of an actor for each; bringing actors
up; a file through the object store. The command asks each node 4 times a second how it goes, and at the start and the
end 40 times what time it is: these figures say what that comes to on many nodes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.machine import describe, moment
from imaxproxy.cluster import Cluster, FileFacts, NodeFiles, Reservation, fetch
from imaxproxy.cluster.clocks import ask_offset

_RAYLETS = Path(__file__).resolve().parents[1] / "tests" / "cluster" / "raylets.py"
_CALLS, _FILE_MB = 1000, 64


class Asked:
    """An actor that says what it was asked, and what it has spent."""

    def __init__(self) -> None:
        self._files = NodeFiles("imaxproxy-ray-cost-")

    def clock(self) -> int:
        return time.monotonic_ns()

    def cpu_s(self) -> float:
        return time.process_time()

    def make(self, size_bytes: int) -> FileFacts:
        self._files.write("file", os.urandom(size_bytes))
        (facts,) = self._files.facts()
        return facts

    def read(self, name: str, from_byte: int) -> bytes:
        return self._files.read(name, from_byte)

    def close(self) -> None:
        self._files.remove()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ray_cost", description=__doc__)
    parser.add_argument("--nodes", type=int, default=3, help="(default: %(default)s)")
    nodes = parser.parse_args().nodes
    command = [sys.executable, str(_RAYLETS), json.dumps({"raylets": nodes, "cpus": 2, "gpus": 0, "environments": []})]
    env = {**os.environ, "PYTHONPATH": str(_RAYLETS.parents[2])}
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, env=env, text=True) as raylets:
        assert raylets.stdin is not None
        assert raylets.stdout is not None
        address = json.loads(raylets.stdout.readline())["address"]
        before = moment()
        with Cluster(address) as cluster, Reservation(cluster, nodes, 1.0, "the benchmark's actors") as reservation:
            rows = measure(cluster.ray, reservation)
        raylets.stdin.close()
    print(f"{before}, {describe()}, Ray on {nodes} raylets of this machine\n")
    print("| what | measured |\n|---|---:|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


def measure(ray: Any, reservation: Reservation) -> dict[str, str]:  # noqa: ANN401
    began_s = time.perf_counter()
    actors = reservation.actors(Asked)
    ray.get([actor.clock.remote() for actor in actors])
    up_s = time.perf_counter() - began_s
    one = actors[0]
    own_s, its_s, began_s = time.process_time(), ray.get(one.cpu_s.remote()), time.perf_counter()
    trips = []
    for _ in range(_CALLS):
        sent_s = time.perf_counter()
        ray.get(one.clock.remote())
        trips.append((time.perf_counter() - sent_s) * 1e6)
    own_us = (time.process_time() - own_s) / _CALLS * 1e6
    its_us = (ray.get(one.cpu_s.remote()) - its_s) / _CALLS * 1e6
    rounds = []
    own_s = time.process_time()
    for _ in range(100):
        sent_s = time.perf_counter()
        ray.get([actor.clock.remote() for actor in actors])
        rounds.append((time.perf_counter() - sent_s) * 1e6)
    round_us = (time.process_time() - own_s) / 100 / len(actors) * 1e6
    offset = ask_offset(lambda: int(ray.get(one.clock.remote())))
    facts = ray.get(one.make.remote(_FILE_MB << 20))
    with tempfile.TemporaryDirectory() as folder:
        began_s = time.perf_counter()
        fetch(ray, one.read.remote, facts, Path(folder) / "file")
        fetched_s = time.perf_counter() - began_s
    ray.get([actor.close.remote() for actor in actors])
    return {
        f"{len(actors)} actors up, s": f"{up_s:.1f}",
        "an actor call, there and back, us: p50 / p99": f"{median(trips):.0f} / {quantiles(trips, n=100)[98]:.0f}",
        "its CPU in the command, us": f"{own_us:.0f}",
        "its CPU in the actor's process, us": f"{its_us:.0f}",
        f"{len(actors)} nodes asked at once, us: p50": f"{median(rounds):.0f}",
        "CPU in the command for each of them, us": f"{round_us:.0f}",
        "clock offset (truth: 0), us": f"{offset.offset_ns / 1000:+.0f} within {offset.error_ns / 1000:.0f}",
        f"a file of {_FILE_MB} MB to here, MB/s": f"{_FILE_MB * 1.048576 / fetched_s:.0f}",
    }


if __name__ == "__main__":
    main()
