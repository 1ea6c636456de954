"""`imaxproxy cost`."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from imaxproxy.conduct.flags.money import money_options
from imaxproxy.conduct.output import print_json
from imaxproxy.economics import (
    EXAMPLES,
    OWN,
    Business,
    Owner,
    Point,
    Rates,
    Terms,
    TokenPrices,
    calculate,
    nvidia_15x,
    two_cents,
)
from imaxproxy.errors import UsageError
from imaxproxy.runs import RunRecord
from imaxproxy.runs.drawn import drawn_of

_above_0 = click.FloatRange(min=0, min_open=True)
_from_0 = click.FloatRange(min=0)
_share = click.FloatRange(0, 1)
_OWNERS = ("years", "interest", "residual", "fixed", "colocation", "drawn_share", "availability")
_POINT = ("total_tps", "output_tps", "input_tps", "gpu", "gpus")


@click.command(short_help="What tokens cost and bring in: from figures, or from a run.")
@click.argument("run", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@click.option("--gpu", metavar="KIND", help="b200, h200, ...")
@click.option("--gpus", type=click.IntRange(min=1), help="How many the rates are of.  [default: 1]")
@click.option("--total-tps", type=_from_0, metavar="R", help="Input and output tokens/s of all GPUs.")
@click.option("--output-tps", type=_from_0, metavar="R", help="Output tokens/s of all GPUs.")
@click.option("--input-tps", type=_from_0, metavar="R", help="Input tokens/s of all GPUs.")
@click.option("--window", type=click.Choice(["whole", "steady"]), default="whole", show_default=True, help="Of RUN.")
@money_options
@click.option("--capex", type=_above_0, metavar="USD", help="Owner: what a GPU costs, with its share of the rest.")
@click.option("--years", type=_above_0, help="Owner: its life.  [default: 4]")
@click.option("--interest", type=_from_0, metavar="SHARE", help="Owner: a year's cost of capital, 0.1 for 10 %.")
@click.option("--residual", type=_share, metavar="SHARE", help="Owner: of the capex, left at the end.")
@click.option("--fixed", type=_from_0, metavar="USD", help="Owner: a GPU and year, whatever it does.")
@click.option("--colocation", type=_from_0, metavar="USD", help="Owner: of a kW of IT power and month.")
@click.option("--drawn-share", type=_above_0, metavar="SHARE", help="Owner: mean power drawn, of what is provisioned.")
@click.option("--availability", type=_share, metavar="SHARE", help="Owner: hours in which it can work.")
@click.option("--utilisation", type=float, metavar="SHARE", help="Mean load, of this operating point.  [default: 1]")
@click.option("--sell-input", type=_from_0, metavar="USD", help="What a million input tokens sell for.")
@click.option("--sell-cached", type=_from_0, metavar="USD", help="Of them, those found in the prefix cache.")
@click.option("--sell-output", type=_from_0, metavar="USD", help="What a million output tokens sell for.")
@click.option("--cached-share", type=_share, metavar="SHARE", help="Of the input tokens.  [default: of RUN, else 0]")
@click.option("--margin", type=float, default=0.0, metavar="SHARE", help="That the break-even price leaves.")
@click.option("--megawatts", type=float, metavar="MW", help="What a fleet of so much provisioned power would serve.")
@click.option("--tps-per-user", type=_above_0, metavar="R", help="Tokens/s of one stream, for --megawatts.")
@click.option("--example", type=click.Choice(list(EXAMPLES)), help="A headline claim, worked out.")
@click.option("--table", "whole_table", is_flag=True, help="The dated table of GPUs and prices.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def cost(run: Path | None, **flags: Any) -> None:  # noqa: ANN401 (click hands over what the options above name)
    """What a million tokens cost at an operating point, and what they bring in.

    \b
    imaxproxy cost imax-runs/20261126-replay --price rental --utilisation 0.6
    imaxproxy cost --gpu b200 --gpus 8 --total-tps 160000 --output-tps 20000 --price 2.60
    imaxproxy cost --gpu b200 --total-tps 20000 --output-tps 2500 --capex 55000 --sell-input 0.1 --sell-output 0.4
    imaxproxy cost --example nvidia-15x

    Every figure is printed with what it rests on: source, day, or the flag that gave it. docs/cost.md has the formulas.
    """
    if flags["example"] is not None:
        _print_example(flags)
        return
    if flags["whole_table"]:
        _print_table(flags)
        return
    point, terms = _point_of_run(run, flags) if run is not None else (_point(flags), Terms.of(flags))
    result = calculate(point, _with_owner(terms, flags), _business(flags))
    if run is not None:
        result["run"] = str(run)
    if flags["as_json"]:
        print_json(result)
        return
    from imaxproxy.report import print_cost

    print_cost(_console(), result)


def _console() -> Any:  # noqa: ANN401 (rich is imported when it is needed)
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def _print_example(flags: dict[str, Any]) -> None:
    name, utilisation = flags["example"], 1.0 if flags["utilisation"] is None else flags["utilisation"]
    rate = {} if flags["total_tps"] is None else {"tokens_per_s_per_gpu": flags["total_tps"] / (flags["gpus"] or 1)}
    if name == "nvidia-15x":
        years = {} if flags["years"] is None else {"years": flags["years"]}
        gpus = {} if flags["gpus"] is None else {"gpus": flags["gpus"]}
        example = nvidia_15x(utilisation, **years, **gpus, **rate)
    else:
        example = two_cents(utilisation=utilisation, **rate)
    if flags["as_json"]:
        print_json(example.as_dict())
        return
    from imaxproxy.report import print_example

    print_example(_console(), example)


def _print_table(flags: dict[str, Any]) -> None:
    if flags["as_json"]:
        from imaxproxy.economics.table import table

        print_json(dict(table()))
        return
    from imaxproxy.report import print_hardware

    print_hardware(_console())


def _point(flags: dict[str, Any]) -> Point:
    """The operating point as the flags give it."""
    if flags["gpu"] is None:
        raise UsageError("give --gpu KIND with --total-tps and --output-tps, or a RUN directory")
    total, output, given = flags["total_tps"], flags["output_tps"], flags["input_tps"]
    if total is None and output is None and given is None:
        raise UsageError(
            "give the throughput: two of --total-tps, --output-tps and --input-tps, in tokens/s of all GPUs"
        )
    if total is None and output is not None and given is not None:
        total = output + given
    elif output is None and total is not None and given is not None:
        output = total - given
    elif None not in (total, output, given) and abs(total - output - given) > 1e-6 * total:
        raise UsageError(f"--total-tps {total:g} is not --output-tps {output:g} + --input-tps {given:g}")
    if total is not None and output is not None and output > total:
        raise UsageError(f"more output than all tokens: {output:g} of {total:g} tokens/s")
    cached = flags["cached_share"] or 0.0
    return Point(flags["gpu"], flags["gpus"] or 1, Rates(total, output), cached, flags["tps_per_user"])


def _point_of_run(path: Path, flags: dict[str, Any]) -> tuple[Point, Terms]:
    """The operating point of a run that was summed up, and its terms with what the flags change."""
    for name in _POINT[:3]:
        if flags[name] is not None:
            raise UsageError(f"--{name.replace('_', '-')} is for figures of your own: RUN has its own throughput")
    record = RunRecord.open(path)
    summary = record.summary
    part = summary if flags["window"] == "whole" else summary["windows"]["steady"]
    if part is None:
        raise UsageError(f"{path} has no steady window: pass --window whole")
    engine = summary["engine"] or {}
    gpu, gpus = flags["gpu"] or engine.get("gpu"), flags["gpus"] or engine.get("gpus")
    if not gpu or not gpus:
        raise UsageError(f"{path} does not say on which GPUs it ran: pass --gpu KIND and --gpus COUNT")
    throughput, tokens = part["throughput"], part["tokens"]
    rates = Rates(throughput["total_tokens_per_s"], throughput["output_tokens_per_s"], throughput["requests_per_s"])
    cached = flags["cached_share"]
    if cached is None:
        cached = (tokens["cached"] or 0) / tokens["input"] if tokens["input"] else 0.0
    speed = flags["tps_per_user"] or part["tps_per_user"]["p50"]
    terms = Terms.of(flags).or_else(record.settings)
    drawn = drawn_of(summary["energy"], flags["window"])
    return Point(str(gpu), int(gpus), rates, cached, speed, bool(summary["simulated"]), drawn), terms


def _with_owner(terms: Terms, flags: dict[str, Any]) -> Terms:
    """With the owner that the flags describe; --capex is what makes one."""
    given = {name: flags[name] for name in _OWNERS if flags[name] is not None}
    if flags["capex"] is None:
        if given:
            raise UsageError(f"--{next(iter(given)).replace('_', '-')} describes an owner: give --capex USD, too")
        return terms
    if terms.is_price_given and terms.price != OWN:
        raise UsageError(f"--capex reckons the price from an owner's cost: leave out --price {terms.price}")
    names = {"fixed": "fixed_usd_per_gpu_year", "colocation": "colocation_usd_per_kw_month"}
    owner = Owner(flags["capex"], **{names.get(name, name): value for name, value in given.items()})
    return replace(terms, price=OWN, is_price_given=True, owner=owner)


def _business(flags: dict[str, Any]) -> Business:
    sells = None
    if flags["sell_input"] is not None or flags["sell_output"] is not None:
        sells = TokenPrices(flags["sell_input"] or 0.0, flags["sell_output"] or 0.0, flags["sell_cached"])
    elif flags["sell_cached"] is not None:
        raise UsageError("--sell-cached goes with --sell-input and --sell-output")
    utilisation = 1.0 if flags["utilisation"] is None else flags["utilisation"]
    return Business(utilisation, sells, flags["margin"], flags["megawatts"])
