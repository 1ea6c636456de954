"""Durations on the command line."""

import math

import click


def seconds(value: float | str) -> float:
    """A finite number of seconds above 0; click's `type` of such an option."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise click.BadParameter(f"{value} is not a number of seconds above 0")
    return number
