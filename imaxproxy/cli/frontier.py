"""`imaxproxy frontier`."""

import sys
from pathlib import Path
from typing import Any

import click

from imaxproxy.conduct.output import print_json, say
from imaxproxy.economics import Axis, Estimate, Spot, iso_table
from imaxproxy.errors import UsageError
from imaxproxy.metrics import Interval
from imaxproxy.runs.axes import AXES
from imaxproxy.runs.imports import read_baselines
from imaxproxy.runs.points import MACHINE, Machines, add_baselines, apart, machines_of, open_runs

SCHEMA = "imaxproxy.frontier/1"
_AT = {"interactivity": (25.0, 50.0, 75.0, 100.0, 125.0, 150.0, 200.0)}


@click.command(short_help="The Pareto frontier of runs, and machines at the same interactivity.")
@click.argument("runs", metavar="[RUN...]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--x", "x", type=click.Choice(list(AXES)), default="interactivity", show_default=True, metavar="METRIC")
@click.option("--y", "y", type=click.Choice(list(AXES)), default="total_per_gpu", show_default=True, metavar="METRIC")
@click.option(
    "--by", default=",".join(MACHINE), show_default=True, help="What of an engine makes a machine of its own."
)
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="FILE[,NAME=VALUE,..]",
    help="What others measured: InferenceX's rows or aggregates, a vLLM or SGLang result.  Repeatable.",
)
@click.option("--at", metavar="X,X,..", help="Compare machines there.  [default: 25 to 200 tokens/s/user]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
def frontier(runs: tuple[Path, ...], x: str, y: str, **flags: Any) -> None:  # noqa: ANN401 (click)
    """Sort RUN... into machines and operating points; show the points that no other beats, and machines at equal x.

    \b
    imaxproxy frontier runs/b200-* runs/h200-*
    imaxproxy frontier runs/* --x ttft_p99 --y usd_output --at 200,500,1000
    imaxproxy frontier runs/* --baseline inferencex.json,model=gptoss,isl=1024,osl=1024

    RUN is a run, or a folder of them. Runs of one load are repeats: their spread is the error bar. Between points the
    curve is Steffen's, as InferenceX's; beyond them there is nothing. docs/compare.md names the metrics.
    """
    by = [word.strip() for word in flags["by"].split(",") if word.strip()]
    if not by:
        raise UsageError("--by names what makes a machine: model,gpu,engine,precision")
    if x == y:
        raise UsageError(f"--x and --y are both {x}: a frontier is between two metrics")
    if not runs and not flags["baselines"]:
        raise UsageError("give RUN directories, --baseline FILE, or both")
    others = [baseline for spec in flags["baselines"] for baseline in read_baselines(spec)]
    machines = machines_of(open_runs(runs, lambda line: say(f"imaxproxy: {line}")), x, y, by)
    if others:
        machines = add_baselines(machines, others)
    result = _result(machines, _xs(flags["at"], machines, x))
    if flags["as_json"]:
        print_json(result)
        return
    from rich.console import Console

    from imaxproxy.report import print_frontier

    print_frontier(Console(highlight=False, width=None if sys.stdout.isatty() else 120), result)


def _xs(text: str | None, machines: Machines, x: str) -> list[float]:
    """Where to compare: as said, else the usual ones that some machine reaches."""
    if text is not None:
        try:
            return sorted({float(part) for part in text.split(",")})
        except ValueError as error:
            raise UsageError(f"--at is numbers with commas, 25,50,100, not {text}") from error
    reaches = [frontier.reach for frontier in machines.frontiers.values()]
    least, most = min(low for low, _ in reaches), max(high for _, high in reaches)
    return [at for at in _AT.get(x.removesuffix("_p90").removesuffix("_p99"), ()) if least <= at <= most]


def _result(machines: Machines, xs: list[float]) -> dict[str, Any]:
    """`imaxproxy.frontier/1`."""
    rows = iso_table(machines.frontiers, xs)
    return {
        "schema": SCHEMA,
        "simulated": any(machines.simulated.values()),
        "window": machines.window,
        "x": _axis(machines.x_axis),
        "y": _axis(machines.y_axis),
        "machines": [
            {
                "name": name,
                "simulated": machines.simulated[name],
                "published": _published(machines, name),
                "frontier": [_point(spot) for spot in found.spots],
                "dominated": [_point(spot) for spot in found.dominated],
            }
            for name, found in machines.frontiers.items()
        ],
        "iso": [
            {
                "x": row.x,
                "at": {name: _estimate(value) for name, value in row.at.items()},
                "advantage": {name: _estimate(value) for name, value in row.advantage.items()},
            }
            for row in rows
        ],
        "warnings": [*machines.warnings, *apart(machines.frontiers)],
    }


def _published(machines: Machines, name: str) -> list[dict[str, object]] | None:
    """Where a baseline's points were read, and of which day; None for runs of our own."""
    found = machines.published.get(name)
    return (
        None if found is None else [{"source": each.source, "as_of": each.as_of, "load": each.load} for each in found]
    )


def _axis(axis: Axis) -> dict[str, object]:
    return {"name": axis.name, "unit": axis.unit, "higher_is_better": axis.higher_is_better}


def _point(spot: Spot) -> dict[str, object]:
    return {"load": spot.label, "x": _interval(spot.x), "y": _interval(spot.y), "repeats": spot.x.count}


def _interval(value: Interval) -> dict[str, float | None]:
    return {"mean": value.mean, "low": value.low, "high": value.high}


def _estimate(value: Estimate | None) -> dict[str, float | None] | None:
    return None if value is None else {"mean": value.y, "low": value.low, "high": value.high}
