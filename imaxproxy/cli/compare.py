"""`imaxproxy compare`."""

import sys
from pathlib import Path
from typing import Any

import click

from imaxproxy.cli.threshold import threshold_of
from imaxproxy.conduct.output import print_json, say
from imaxproxy.errors import UsageError
from imaxproxy.runs import RunRecord
from imaxproxy.runs.compare import SCHEMA, Verdict, compare_repeats
from imaxproxy.runs.compare import compare_all as compare_runs
from imaxproxy.runs.points import open_runs

_DEFAULT = "5%"


@click.command(short_help="Run against run: what changed, how surely, and is it a regression.")
@click.argument("runs", metavar="A B [...]", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--threshold", default=_DEFAULT, show_default=True, metavar="X", help="A change that matters: 5% or 0.05."
)
@click.option("--markdown", is_flag=True, help="As Markdown, for a pull request.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def compare(runs: tuple[Path, ...], threshold: str, *, markdown: bool, as_json: bool) -> int:
    """Hold B (and each further run) against A: the same requests against each other where both played one trace.

    \b
    imaxproxy compare runs/before runs/after
    imaxproxy compare runs/before runs/after --threshold 3% --markdown >> $GITHUB_STEP_SUMMARY

    A and B may be folders of repeats (`replay --repeat`): then runs are held against runs.

    Exit 1 on a regression: worse by more than the threshold, and surely worse. "undecided" is no regression: the
    interval reaches beyond the threshold and over no change at once; play longer. docs/compare.md names the tests.
    """
    if len(runs) < 2:
        raise UsageError("compare wants two runs or more: A, and what is held against it")
    sides = [open_runs([path], lambda line: say(f"imaxproxy: {line}")) for path in runs]
    results = _results(sides, threshold_of(threshold))
    if as_json:
        print_json(results[0] if len(results) == 1 else {"schema": SCHEMA, "comparisons": results})
    elif markdown:
        from imaxproxy.report import markdown_compare

        print("\n".join(map(markdown_compare, results)), end="")
    else:
        from rich.console import Console

        from imaxproxy.report import print_compare

        console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        for result in results:
            print_compare(console, result)
    return 1 if any(result["verdict"] == Verdict.REGRESSION for result in results) else 0


def _results(sides: list[list[RunRecord]], threshold: float) -> list[dict[str, Any]]:
    """Single runs request by request, folders of repeats as runs. Raises UsageError for one kind beside the other."""
    counts = [len(side) for side in sides]
    if max(counts) == 1:
        return compare_runs([side[0] for side in sides], threshold)
    if min(counts) == 1:
        single = sides[counts.index(1)][0].directory.path
        raise UsageError(f"{single} is one run and another side has {max(counts)}: repeat it, or name one run of each")
    return [compare_repeats(sides[0], side, threshold) for side in sides[1:]]
