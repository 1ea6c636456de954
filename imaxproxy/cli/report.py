"""`imaxproxy report`."""

from pathlib import Path

import click

from imaxproxy.cli.capturing import gather_trace, is_stale
from imaxproxy.cli.output import print_result
from imaxproxy.runs import RunDirectory, summarize


@click.command(short_help="Print a run's table; rebuild its summary after a crash.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print summary.json instead of the table.")
def report(run: Path, *, as_json: bool) -> None:
    """Read the journal of RUN, a directory that `serve` or `replay` wrote, make its summary anew, and print it.

    Everything comes from the journal, so a run whose process was killed is reported up to its last ended request. The
    trace of what it captured is made then, too.
    """
    directory = RunDirectory.open(run)
    if is_stale(directory):
        gather_trace(directory)
    print_result(summarize(directory), directory, as_json=as_json)
