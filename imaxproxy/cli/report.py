"""`imaxproxy report`."""

from pathlib import Path
from typing import Any

import click

from imaxproxy.cli.capturing import gather_trace, is_stale
from imaxproxy.cli.money_flags import money_options
from imaxproxy.cli.output import print_result
from imaxproxy.economics import Terms
from imaxproxy.runs import RunDirectory, summarize


@click.command(short_help="Print a run's table; rebuild its summary after a crash.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@money_options
@click.option("--json", "as_json", is_flag=True, help="Print summary.json instead of the table.")
def report(run: Path, *, as_json: bool, **money: Any) -> None:  # noqa: ANN401 (click hands over the money options)
    """Read the journal of RUN, a directory that `serve` or `replay` wrote, make its summary anew, and print it.

    Everything comes from the journal, so a run whose process was killed is reported up to its last ended request. The
    trace of what it captured is made then, too. --price, --power-price and --pue reckon its cost anew; what they leave
    open stays as the run had it.
    """
    asked = any(value is not None for value in money.values())
    terms = Terms.of(money)
    directory = RunDirectory.open(run)
    if is_stale(directory):
        gather_trace(directory)
    print_result(summarize(directory, terms if asked else None), directory, as_json=as_json)
