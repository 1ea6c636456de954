"""Durations on the command line."""

import math

import click


def seconds(value: float | str) -> float:
    """A finite number of seconds above 0; click's `type` of such an option."""
    number = _number(value)
    if not (math.isfinite(number) and number > 0):
        raise click.BadParameter(f"{value} is not a number of seconds above 0")
    return number


def seconds_from_0(value: float | str) -> float:
    """A finite number of seconds, 0 included."""
    number = _number(value)
    if not (math.isfinite(number) and number >= 0):
        raise click.BadParameter(f"{value} is not a number of seconds from 0")
    return number


def _number(value: float | str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan
