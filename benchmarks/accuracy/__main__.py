"""python -m benchmarks.accuracy: each meter on each case, as Markdown. Half an hour with all peers."""

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from benchmarks.accuracy import table
from benchmarks.accuracy.cases import BUSY, CASES, Case
from benchmarks.accuracy.check import unwarned
from benchmarks.accuracy.meter import Meter, Trial, tried
from benchmarks.accuracy.ours import Replay, Serve
from benchmarks.accuracy.peers import PEERS
from benchmarks.machine import describe, moment
from benchmarks.paths import RUNS, Unavailable

METERS = (Replay(), Serve(), *PEERS)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--only", default="", help="meters whose names contain one of these: a,b")
    parser.add_argument("--cases", default="", help="cases whose names contain one of these: a,b")
    parser.add_argument("--again", nargs="+", type=Path, help="print the tables of these JSON files; measure nothing")
    parser.add_argument("--json", type=Path, help="write every trial here")
    parser.add_argument(
        "--check", action="store_true", help="exit 1 where a figure is wrong, and its meter believes itself"
    )
    parser.add_argument("--markdown", type=Path, help="write the tables here")
    return parser.parse_args()


def chosen(words: str, name: str, names: Iterable[str]) -> bool:
    """By a part of the name; a word that is a whole name means no other."""
    wanted = words.lower().split(",")
    whole = {each.lower() for each in names}
    return not words or any(word == name.lower() or (word not in whole and word in name.lower()) for word in wanted)


def present(only: str) -> list[Meter | Serve]:
    """Those that can be had; of the others stderr says why not."""
    found = []
    for meter in METERS:
        if chosen(only, meter.name, [each.name for each in METERS]):
            try:
                print(f"{meter.name} {meter.version()}", file=sys.stderr, flush=True)
                found.append(meter)
            except Unavailable as error:
                print(f"{meter.name}: not measured: {error}", file=sys.stderr, flush=True)
    return found


def trials_of(case: Case, meters: list[Meter | Serve]) -> tuple[list[Trial], dict[str, str]]:
    done, failed = [], {}
    for meter in meters:
        folder = RUNS / "accuracy" / case.name.replace(" ", "-") / meter.name.replace(" ", "-")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            done.append(meter.tried(case, folder) if isinstance(meter, Serve) else tried(meter, case, folder))
        except (Unavailable, OSError, LookupError, ValueError, TypeError) as error:  # a peer's file is not as it was
            failed[meter.name] = f"{type(error).__name__}: {error}"
            print(f"{case.name}: {meter.name}: {failed[meter.name]}", file=sys.stderr, flush=True)
    return done, failed


def kept_trials(paths: Iterable[Path]) -> dict[str, list[Trial]]:
    """By case; of what was measured twice the last counts."""
    found: dict[str, dict[str, Trial]] = {case.name: {} for case in (*CASES, BUSY)}
    for path in paths:
        for kept in json.loads(path.read_text())["trials"]:
            trial = Trial.from_dict(kept)
            found[trial.case.name][trial.meter] = trial
    order = [meter.name for meter in METERS]
    return {
        name: sorted(trials.values(), key=lambda trial: order.index(trial.meter))
        for name, trials in found.items()
        if trials
    }


def print_again(paths: Iterable[Path]) -> None:
    by_case = kept_trials(paths)
    parts = [table.overview(by_case), *(table.of_case(trials[0].case, trials, {}) for trials in by_case.values())]
    parts += [table.cost(trials) for name, trials in by_case.items() if name == BUSY.name]
    print("\n\n".join(parts))


def main() -> int:
    options = arguments()
    if options.again:
        print_again(options.again)
        return 0
    before, meters = moment(), present(options.only)
    parts, kept, wrong = [], [], []
    names = [case.name for case in (*CASES, BUSY)]
    for case in (case for case in (*CASES, BUSY) if chosen(options.cases, case.name, names)):
        done, failed = trials_of(case, meters)
        parts.append(table.of_case(case, done, failed))
        if case is BUSY and done:
            parts.append(table.cost(done))
        kept += [asdict(trial) for trial in done]
        wrong += [*unwarned(done), *failed.values()]
        print(f"{parts[-1]}\n", flush=True)
    facts = {
        "command": shlex.join(["python", "-m", "benchmarks.accuracy", *sys.argv[1:]]),
        "machine": describe(),
        "before": asdict(before),
        "after": asdict(moment()),
        "versions": {meter.name: meter.version() for meter in meters},
    }
    if options.json:
        options.json.write_text(json.dumps(facts | {"trials": kept}, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text("\n\n".join(parts) + "\n")
    if options.check:
        print("\n".join(wrong) or "every figure is the truth's, or was doubted by its meter", file=sys.stderr)
    return int(options.check and bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
