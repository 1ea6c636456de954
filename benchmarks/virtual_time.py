"""What virtual time costs:  .venv/bin/python -m benchmarks.virtual_time [--mooncake TRACE] [--day]

A 16-point Pareto sweep (TP 1 to 8, concurrency 4 to 256, as InferenceX plays it) by discrete events; the whole of a
trace; with --day a million requests in a day on 100 replicas, lengths as in Azure's conversations of 2023 (1,155 tokens
in and 211 out in the mean). Wall time and CPU of the whole command, and its peak memory.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from imaxproxy.load import Rules, closed_loop
from imaxproxy.load.virtual import VirtualPlayer
from imaxproxy.load.virtual_request import RequestMaker
from imaxproxy.metrics import Exchange
from imaxproxy.metrics.formulas import tpot_ns
from imaxproxy.sim import assemble, parse_args
from imaxproxy.traces import Prompts, TraceRow

_ROOT = Path(__file__).resolve().parents[1]
_RECIPE = _ROOT / "engines" / "gpt-oss-120b-b200-vllm.toml"
_DAY_S, _DAY_REQUESTS, _REPLICAS = 86_400, 1_000_000, 100


@dataclass(frozen=True)
class Spent:
    wall_s: float
    cpu_s: float
    peak_mb: float | None = None

    def line(self, name: str) -> str:
        memory = "" if self.peak_mb is None else f", {self.peak_mb:,.0f} MB at most"
        return f"{name}: {self.wall_s:.1f} s, {self.cpu_s:.1f} s of CPU{memory}"


def sweep() -> Spent:
    """Prints each point: tokens/s/user and total tokens/s/GPU."""
    began_s, cpu_s = time.perf_counter(), time.process_time()
    for tp in (1, 2, 4, 8):
        for concurrency in (4, 16, 64, 256):
            found: list[Exchange] = []
            parts = assemble(parse_args(["--gpu", "b200", "--no-prefix-caching", "--tp", str(tp)]))
            maker = RequestMaker(parts.limits, 0, "completions", Prompts(0, "sweep"))
            VirtualPlayer(parts, maker, Rules(concurrency=concurrency), found.append, tracks=False).play(
                closed_loop(_inferencex_rows(3 * concurrency))
            )
            last_ns = max(exchange.ended_ns for exchange in found)
            tokens = sum((one.usage.input_tokens or 0) + (one.usage.output_tokens or 0) for one in found)
            speed = 1e9 / fmean(tpot_ns(one) or 0.0 for one in found)
            rate = tokens / last_ns * 1e9 / tp
            print(f"  tp {tp}, {concurrency:>3} in flight: {speed:6.1f} tok/s/user, {rate:8,.0f} tok/s/GPU")
    return Spent(time.perf_counter() - began_s, time.process_time() - cpu_s)


def _inferencex_rows(requests: int) -> Iterator[TraceRow]:
    """1K in and out, drawn evenly from 80 to 100 %."""
    rng = random.Random(0)
    for number in range(requests):
        lengths = {"input_length": rng.randint(820, 1024), "output_length": rng.randint(820, 1024)}
        yield TraceRow(request_id=str(number), **lengths)  # type: ignore[arg-type]


def replayed(trace: Path, recipe: Path) -> Spent:
    """`imaxproxy replay --virtual` as a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--engine", str(recipe), "--simulate", "--virtual", "--out", f"{folder}/run", "--json"]
        argv = [sys.executable, "-m", "imaxproxy.cli.main", "replay", str(trace), *flags]
        before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd=_ROOT)
        wall_s, after = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(wall_s, cpu_s, after.ru_maxrss / 1024)


def day(folder: Path) -> Spent:
    """Poisson arrivals; vidur's CSV, so that the trace itself is small."""
    trace, recipe = folder / "day.csv", folder / "replicas.toml"
    text = _RECIPE.read_text().replace("\ncount = 1\n", f"\ncount = {_REPLICAS}\n")
    recipe.write_text(text.replace("\ntp = 1\n", f"\ntp = 1\ndp = {_REPLICAS}\n"))
    rng, at_s = random.Random(1), 0.0
    with trace.open("w") as lines:
        lines.write("arrived_at,num_prefill_tokens,num_decode_tokens\n")
        for _ in range(_DAY_REQUESTS):
            at_s += rng.expovariate(_DAY_REQUESTS / _DAY_S)
            given = min(14_050, max(2, int(rng.lognormvariate(6.45, 1.1))))
            lines.write(f"{at_s:.3f},{given},{min(1_000, max(7, int(rng.lognormvariate(5.02, 0.82))))}\n")
    return replayed(trace, recipe)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.virtual_time", description=__doc__)
    parser.add_argument("--mooncake", type=Path, help="the whole trace: 12,031 requests")
    parser.add_argument("--day", action="store_true", help="a million requests on 100 replicas: about 10 minutes")
    options = parser.parse_args()
    print(sweep().line("16-point sweep"))
    if options.mooncake is not None:
        print(replayed(options.mooncake, _ROOT / "engines" / "gpt-oss-120b-b200-tp8-vllm.toml").line("the whole trace"))
    if options.day:
        with tempfile.TemporaryDirectory() as folder:
            print(day(Path(folder)).line("a day of a million requests on 100 replicas"))


if __name__ == "__main__":
    main()
