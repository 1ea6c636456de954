"""The flags that say what a GPU-hour and its power cost."""

from typing import Any

import click

from imaxproxy.economics import Terms

MONEY_OPTIONS = [
    click.option(
        "--price",
        metavar="USD|TENURE|own",
        help="Of a GPU-hour: a number, hyperscaler, neocloud, rental, on_demand, A/rental (a generation), or own.  "
        "[default: hyperscaler]",
    ),
    click.option("--power-price", type=float, metavar="USD", help="Of a kWh.  [default: the dated one of the table]"),
    click.option(
        "--pue", type=float, metavar="X", help="Facility power over IT power.  [default: by the GPU's cooling]"
    ),
]


def money_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """Add them to a command."""
    for option in reversed(MONEY_OPTIONS):
        command = option(command)
    return command


def check_money(flags: dict[str, Any], gpu: str | None) -> Terms:
    """The terms. Raises UsageError for what they cannot be, or for a GPU that has no such price where it is known."""
    terms = Terms.of(flags)
    if gpu is not None and terms.is_price_given:
        terms.pay(gpu)
    return terms
