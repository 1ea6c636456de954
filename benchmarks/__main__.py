"""python -m benchmarks --what proxy,player: measure, print the tables, keep the runs as JSON."""

import argparse
import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks import table
from benchmarks.bench import Bench
from benchmarks.machine import describe, moment
from benchmarks.rig import PHASES, Load, lasting

KINDS = "proxy", "requests", "player", "startup", "memory"
PLAYER_PHASES = "together", "step"
"""A client makes its own phases when it starts its streams; a step of the source gives all clients the same."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--what", default="proxy,player,startup", help=f"of {','.join(KINDS)} (default: %(default)s)")
    parser.add_argument("--streams", default="20,100,200,400", help="concurrent streams (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="medians of so many (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=8, help="of streaming a run (default: %(default)s)")
    parser.add_argument("--tokens", type=int, default=400, help="of each stream (default: %(default)s)")
    parser.add_argument("--itl-ms", type=float, default=5, help="between tokens (default: %(default)s)")
    parser.add_argument("--ttft-ms", type=float, default=20, help="to the first token (default: %(default)s)")
    parser.add_argument("--phases", default="spread,together", help=f"of the proxies' load: {','.join(PHASES)}")
    parser.add_argument(
        "--player-phases", default=",".join(PLAYER_PHASES), help="of the clients' (default: %(default)s)"
    )
    parser.add_argument("--only", default="", help="contestants whose names contain one of these: a,b")
    parser.add_argument("--connections", type=int, default=32, help="of `requests` (default: %(default)s)")
    parser.add_argument("--memory-streams", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("--memory-tokens", type=int, default=8000, help="(default: %(default)s)")
    parser.add_argument("--memory-itl-ms", type=float, default=20, help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write every run here")
    parser.add_argument("--markdown", type=Path, help="write the tables here")
    options = parser.parse_args()
    options.what = options.what.split(",")
    if unknown := set(options.what) - set(KINDS):
        parser.error(f"--what {','.join(sorted(unknown))}: not one of {','.join(KINDS)}")
    options.phases = options.phases.split(",")
    if unknown := set(options.phases) - set(PHASES):
        parser.error(f"--phases {','.join(sorted(unknown))}: not one of {','.join(PHASES)}")
    options.player_phases = options.player_phases.split(",")
    if unknown := set(options.player_phases) - set(PLAYER_PHASES):
        parser.error(f"--player-phases {','.join(sorted(unknown))}: not one of {','.join(PLAYER_PHASES)}")
    options.streams = [int(streams) for streams in options.streams.split(",")]
    return options


def loads(options: argparse.Namespace, phases: str) -> list[Load]:
    shape = options.tokens, options.ttft_ms, options.itl_ms, phases
    return [lasting(options.seconds, Load(streams, streams, *shape)) for streams in options.streams]


def measure(options: argparse.Namespace) -> Bench:
    bench = Bench(tuple(filter(None, options.only.split(","))))
    if "proxy" in options.what:
        for phases in options.phases:
            bench.proxies(loads(options, phases), options.repeats)
    if "requests" in options.what:
        bench.requests(options.connections, options.seconds, options.repeats)
    if "player" in options.what:
        for phases in options.player_phases:
            bench.players(loads(options, phases), options.repeats)
    if "startup" in options.what:
        bench.start_ups(options.repeats)
    if "memory" in options.what:
        streams = options.memory_streams
        bench.memory(Load(streams, streams, options.memory_tokens, options.ttft_ms, options.memory_itl_ms, "spread"))
    return bench


def main() -> None:
    options = arguments()
    before = moment()
    bench = measure(options)
    facts = {
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "machine": describe(),
        "before": asdict(before),
        "after": asdict(moment()),
        "versions": bench.versions,
        "load": {"tokens": options.tokens, "itl_ms": options.itl_ms, "ttft_ms": options.ttft_ms},
        "repeats": options.repeats,
    }
    if options.json:
        runs = {kind: [asdict(result) for result in found] for kind, found in bench.results.items()}
        failed = [asdict(failure) for failure in bench.failed]
        options.json.write_text(json.dumps(facts | runs | {"failed": failed}, indent=1) + "\n")
    text = table.document(facts, bench.results, bench.failed)
    print(text)
    if options.markdown:
        options.markdown.write_text(text)


if __name__ == "__main__":
    main()
