"""`imaxproxy merge`."""

from pathlib import Path

import click

from imaxproxy.conduct.flags.judging import exit_code
from imaxproxy.conduct.output import print_result
from imaxproxy.conduct.summing import Waiting, sum_up
from imaxproxy.runs import RunDirectory
from imaxproxy.runs.merge import open_shares
from imaxproxy.runs.shares import LOSS_LIMIT_SHARE


@click.command(short_help="Make one run of the shares that several machines played.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Run directory.  [default: imax-runs/<time>-merge]")
@click.option("--allow-missing", is_flag=True, help="Merge what is there; the summary says what was lost.")
@click.option(
    "--loss-limit",
    type=click.FloatRange(0, 1),
    default=LOSS_LIMIT_SHARE,
    show_default=True,
    metavar="SHARE",
    help="The meter is not valid when more of the schedule than that was lost.",
)
@click.option("--strict", is_flag=True, help="Exit 1 when the meter does not believe its own figures.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead of the table.")
def merge(
    runs: tuple[Path, ...], out: Path | None, *, allow_missing: bool, loss_limit: float, strict: bool, as_json: bool
) -> int:
    """Make one run of the RUNs, all the shares of one schedule that `imaxproxy replay --share I/N` played.

    \b
    imaxproxy replay trace.jsonl --url URL --share 0/2 --start-time 2026-11-26T08:00:00Z --salt a --out runs/0
    imaxproxy replay trace.jsonl --url URL --share 1/2 --start-time 2026-11-26T08:00:00Z --salt a --out runs/1
    imaxproxy merge runs/0 runs/1 --out runs/whole

    The merge is exact: the histograms are those that one process would have made of the same exchanges. Shares that
    overlap, are missing, or come of different schedules, seeds or versions are refused. The runs stay as they are.
    docs/many-machines.md has the whole.
    """
    shares = open_shares(runs, allow_missing=allow_missing, limit_share=loss_limit)
    run = RunDirectory.create(out, "merge")
    with Waiting("merging journals") as waiting:
        shares.merge(run, waiting.hear)
    summary = sum_up(run)
    print_result(summary, run, as_json=as_json)
    return exit_code(summary, strict=strict)
