"""`imaxproxy report`."""

from pathlib import Path
from typing import Any

import click

from imaxproxy.cli.catalogue import check_list_flags, list_options, list_runs
from imaxproxy.cli.charts import chart_options, check_chart_flags, draw_charts
from imaxproxy.cli.report_page import asked_of, check_output, check_page_flags, page_options, write_page
from imaxproxy.conduct.flags.money import money_options
from imaxproxy.conduct.output import print_result, say
from imaxproxy.conduct.serve.capturing import gather_anew, is_stale
from imaxproxy.conduct.summing import sum_up
from imaxproxy.economics import Terms
from imaxproxy.report.content import gather
from imaxproxy.runs import RunDirectory


@click.command(short_help="Print a run's table; write a page of many runs; list runs.")
@click.argument("runs", metavar="RUN", nargs=-1, type=click.Path(path_type=Path))
@page_options
@list_options
@chart_options
@money_options
@click.option("--json", "as_json", is_flag=True, help="Print summary.json, or the list, as JSON instead of the table.")
def report(runs: tuple[Path, ...], *, as_json: bool, **flags: Any) -> None:  # noqa: ANN401 (click hands over the options)
    """Read the journal of RUN, a directory that `serve` or `replay` wrote, make its summary anew, and print it.

    \b
    imaxproxy report runs/b200-c64
    imaxproxy report runs/sweep runs/mine -o report.html       # one page: frontier, latencies, energy, cost, ...
    imaxproxy report --list                        # all runs below imax-runs
    imaxproxy report runs/sweep --charts pictures --format png
    imaxproxy report --list runs --model llama --gpu b200 --since 2026-11-01

    Everything comes from the journal, so a run whose process was killed is reported up to its last ended request. The
    trace of what it captured is made then, too. --price, --power-price and --pue reckon its cost anew; what they leave
    open stays as the run had it. --list looks at files only, and names runs that are not whole.
    """
    check_list_flags(flags)
    check_page_flags(flags)
    if flags["as_list"]:
        list_runs(runs, flags | {"as_json": as_json})
        return
    check_chart_flags(flags)
    if flags["output"] is not None or flags["charts"] is not None:
        check_output(flags["output"])
        found = gather(runs, asked_of(flags), say)
        if flags["charts"] is not None:
            draw_charts(found, flags)
        if flags["output"] is not None:
            write_page(found, flags, as_json=as_json)
        return
    if len(runs) != 1:
        raise click.UsageError("give one RUN, a directory that `serve` or `replay` wrote; several make a page: -o FILE")
    asked = any(flags[name] is not None for name in ("price", "power_price", "pue"))
    terms = Terms.of(flags) if asked else None
    directory = RunDirectory.open(runs[0])
    if is_stale(directory):
        gather_anew(directory)
    print_result(sum_up(directory, terms), directory, as_json=as_json)
