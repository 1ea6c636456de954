"""`--tag`: a word to find a run by."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def tag_option(function: _Decorated) -> _Decorated:
    """`--tag` of the commands that make runs."""
    return click.option(
        "--tag", multiple=True, metavar="TAG", help="A word to find the run by: `report --list --tag TAG`.  Repeatable."
    )(function)
