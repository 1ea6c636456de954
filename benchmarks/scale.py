"""The player at its limits: `python -m benchmarks.scale [--what load,rate,streams]`, as Markdown; 5 minutes.

load: 512 streams, with as many events/s as make the player busy for 80 % of its core: what it says, and the truth.
rate: 1,000 streams, a token each 8.9 ms, which with their TTFT makes 101,000 events/s: what one core receives.
streams: 10,000 streams at once from one process.
"""

import argparse
import json
import shlex
import sys
from dataclasses import dataclass, replace
from math import isnan, nan
from pathlib import Path
from statistics import median

from benchmarks.cpu import cores
from benchmarks.machine import describe, moment
from benchmarks.paths import RUNS, imaxproxy
from benchmarks.process import Child
from benchmarks.proxies import imaxproxy_reported, imaxproxy_version
from benchmarks.rig import Load, Source, write_trace
from benchmarks.truth import Figures

BUSY_SHARE = 0.8
HEAD = "| load | events/s | core % | TTFT p50, ms | TTFT p99 | ITL p50 | ITL p99 | tokens | peak RSS, MB | verdict |"


@dataclass(frozen=True)
class Played:
    """One run of the player alone on its core. Truth in `true`."""

    load: Load
    events_per_s: float
    """Received in the steady window, by its own account."""
    core_share: float
    """Of the process that receives, median over the seconds behind the ramp; the one that feeds it has some % more."""
    peak_rss_mb: float
    said: Figures
    true: Figures
    verdict: str


def play(load: Load, folder: Path, ramp_s: float) -> Played:
    trace = write_trace(load, folder)
    source = Source(load, folder)
    try:
        flags = [
            "--concurrency",
            load.streams,
            "--ramp",
            ramp_s,
            "--model",
            "bench",
            "--calibrate",
            "never",
            "--out",
            folder / "run",
        ]
        command = [imaxproxy(), "replay", trace, "--url", f"{source.url}/v1", *flags]
        ended = Child(cores()[1], command, folder / "log").wait(load.limit_s)
    finally:
        source.stop()
    truth = source.truth()
    said, verdict = imaxproxy_reported(folder / "run")
    steady = json.loads((folder / "run" / "summary.json").read_text())["windows"]["steady"]
    per_s = steady["throughput"]["output_tokens_per_s"] if steady else nan
    shares = busy(folder / "run", ramp_s)
    return Played(load, per_s, median(shares), ended.peak_rss_mb, said, truth.figures, verdict)


def busy(run: Path, ramp_s: float) -> list[float]:
    """The share of a core in each second between the ramp's end and the last request's."""
    rows = [json.loads(line) for line in (run / "meter-0.jsonl").read_text().splitlines()]
    exchanges = [json.loads(line) for line in (run / "exchanges-0.jsonl").read_text().splitlines()]
    first_ns, last_ns = (pick(row[key] for row in exchanges) for pick, key in ((min, "sent_ns"), (max, "ended_ns")))
    from_ns = first_ns + ramp_s * 1e9
    return [row["cpu_ns"] / row["wall_ns"] for row in rows if from_ns + row["wall_ns"] <= row["at_ns"] <= last_ns]


def at_load(folder: Path, repeats: int) -> list[Played]:
    """The ITL that keeps the core as busy as wanted is found first, by two runs of 5 s."""
    load, ramp_s = Load(512, 512, 200, ttft_ms=200, itl_ms=25), 2.0
    for _ in range(2):
        found = play(lasting(load, 5), folder, ramp_s)
        load = replace(load, itl_ms=round(max(2.0, load.itl_ms * found.core_share / BUSY_SHARE), 2))
    return [play(lasting(load, 15), folder, ramp_s) for _ in range(repeats)]


def at_rate(folder: Path, repeats: int) -> list[Played]:
    load = Load(1000, 1000, 200, ttft_ms=200, itl_ms=8.9)
    return [play(lasting(load, 10), folder, 2.0) for _ in range(repeats)]


def at_streams(folder: Path, repeats: int) -> list[Played]:
    load = Load(10_000, 10_000, 20, ttft_ms=1000, itl_ms=1000)
    return [play(load, folder, 10.0) for _ in range(repeats)]


def lasting(load: Load, seconds: float) -> Load:
    rounds = max(1, round(seconds / load.stream_s))
    return replace(load, requests=load.streams * rounds)


def row(played: Played) -> str:
    load, said, true = played.load, played.said, played.true

    def pair(name: str) -> str:
        return f"{getattr(said, name):.2f} ({getattr(true, name):.2f})"

    per_s = "–" if isnan(played.events_per_s) else f"{played.events_per_s:,.0f}"
    return (
        f"| {load.streams} x {load.itl_ms:g} ms | {per_s} | {100 * played.core_share:.0f} | "
        f"{pair('ttft_p50_ms')} | {pair('ttft_p99_ms')} | {pair('itl_p50_ms')} | {pair('itl_p99_ms')} | "
        f"{said.tokens} ({true.tokens}) | {played.peak_rss_mb:.0f} | {played.verdict} |"
    )


KINDS = {"load": at_load, "rate": at_rate, "streams": at_streams}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--what", default=",".join(KINDS), help="(default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="(default: %(default)s)")
    options = parser.parse_args()
    before = moment()
    print(f"`{shlex.join(['python', '-m', 'benchmarks.scale', *sys.argv[1:]])}`, {before.at}; {describe()}")
    print(f"imaxproxy {imaxproxy_version()}. Said (true).\n\n{HEAD}\n|{' --- |' * 10}", flush=True)
    for what in options.what.split(","):
        for played in KINDS[what](RUNS / "scale", options.repeats):
            print(row(played), flush=True)
    after = moment()
    print(f"\nLoad average {before.load_1min:.1f} before, {after.load_1min:.1f} after; ", end="")
    print(f"{after.steal_s - before.steal_s:.1f} s stolen in {after.monotonic_s - before.monotonic_s:.0f} s.")


if __name__ == "__main__":
    main()
