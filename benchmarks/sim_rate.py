"""The simulated engine as a source:  .venv/bin/python -m benchmarks.sim_rate [--streams 256] [--tokens 4000]

Events it writes a second when asked for more than it can (one write an event), and how late its steps are at a pace it
can keep. All figures are from its own truth log and the CPU times of the kernel; a second process only drains.
"""

import argparse
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_WARM_STEPS = 100


@dataclass(frozen=True)
class Rate:
    """One run. Late: from a step's planned end to the first write of its events, and to the last."""

    events: int
    wall_s: float
    cpu_s: float
    first_late_us: list[int]
    last_late_us: list[int]

    def line(self, name: str) -> str:
        first, last = (_percentiles(late) for late in (self.first_late_us, self.last_late_us))
        return (
            f"{name}: {self.events / self.wall_s:,.0f} events/s, {self.cpu_s / self.wall_s:.0%} of a core, "
            f"{self.cpu_s / self.events * 1e6:.2f} us CPU an event = {self.events / self.cpu_s:,.0f} events/s of CPU; "
            f"step late p50/p99 {first} us to its first write, {last} us to its last"
        )


def measure(streams: int, tokens: int, step_ms: float) -> Rate:
    with tempfile.TemporaryDirectory() as folder:
        truth = Path(folder) / "truth.jsonl"
        with _engine(step_ms, truth) as (process, port):
            before_s = _cpu_s(process.pid)
            _drain(port, streams, tokens)
            cpu_s = _cpu_s(process.pid) - before_s
        return _rate([json.loads(line) for line in truth.read_text().splitlines()], cpu_s)


@contextmanager
def _engine(step_ms: float, truth: Path) -> "Iterator[tuple[subprocess.Popen[bytes], int]]":
    flags = ["--model", "tiny", "--fixed-step-ms", str(step_ms), "--fixed-ttft-ms", "200", "--truth", str(truth)]
    process = subprocess.Popen([sys.executable, "-m", "imaxproxy.sim", *flags], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())["port"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _drain(port: int, streams: int, tokens: int) -> None:
    body = json.dumps({"model": "tiny", "prompt": "a b c", "max_tokens": tokens, "stream": True})
    head = "POST /v1/completions HTTP/1.1\r\nHost: sim\r\nContent-Type: application/json\r\nConnection: close\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
    buffer = bytearray(1 << 20)
    with selectors.DefaultSelector() as ready:
        for _ in range(streams):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(request)
            ready.register(connection, selectors.EVENT_READ)
        while ready.get_map():
            for key, _ in ready.select():
                connection = key.fileobj  # type: ignore[assignment]
                if not connection.recv_into(buffer):
                    ready.unregister(connection)
                    connection.close()


def _rate(records: list[dict[str, list[int]]], cpu_s: float) -> Rate:
    steps: dict[int, list[int]] = defaultdict(list)
    for record in records:
        for planned_ns, write_ns in zip(record["planned_ns"], record["write_ns"], strict=True):
            steps[planned_ns].append(write_ns)
    writes = [write_ns for written in steps.values() for write_ns in written]
    kept = sorted(steps)[_WARM_STEPS:]
    return Rate(
        events=len(writes),
        wall_s=(max(writes) - min(writes)) / 1e9,
        cpu_s=cpu_s,
        first_late_us=[(min(steps[planned_ns]) - planned_ns) // 1000 for planned_ns in kept],
        last_late_us=[(max(steps[planned_ns]) - planned_ns) // 1000 for planned_ns in kept],
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _percentiles(late_us: list[int]) -> str:
    late_us = sorted(late_us)
    return f"{late_us[len(late_us) // 2]:,}/{late_us[len(late_us) * 99 // 100]:,}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sim_rate", description=__doc__)
    parser.add_argument("--streams", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=4000)
    options = parser.parse_args()
    print(measure(options.streams, options.tokens, 0.1).line("as fast as it can"))
    print(measure(options.streams, options.tokens // 4, 10.0).line("a step every 10 ms"))


if __name__ == "__main__":
    main()
