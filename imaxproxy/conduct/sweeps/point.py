"""A point of a sweep as `imaxproxy replay` would take it: its flags parsed and checked, its run directory made free."""

import shutil
from pathlib import Path
from typing import Any

import click

from imaxproxy.conduct.replay.options import replay_options
from imaxproxy.errors import UsageError
from imaxproxy.sweep import Curve, Point, SweepSpec
from imaxproxy.wire import BaseUrl

_SET_BY_THE_SWEEP = frozenset(
    (
        "--engine",
        "--url",
        "--simulate",
        "--virtual",
        "--concurrency",
        "--rate",
        "--repeat",
        "--out",
        "--json",
        "--model",
        "--screen",
        "--no-screen",
    )
)
_NEVER_IN_A_FILE = "--api-key"


@click.command("replay")
@replay_options
def _replay(**_flags: object) -> None:
    """Only parses: what `imaxproxy replay` would take."""


def parsed(argv: tuple[str, ...]) -> tuple[Path, dict[str, Any]]:
    """The trace and the flags. Raises click's complaint about what replay would not take."""
    params = dict(_replay.make_context("replay", list(argv)).params)
    return params.pop("trace"), params


def check_flags(spec: SweepSpec, curves: list[Curve]) -> None:
    """Raises UsageError, naming file, line and flag, for flags that replay has not or that the sweep sets itself."""
    known = {name for option in _replay.params for name in (*option.opts, *option.secondary_opts)}
    for recipe in {curve.variant.recipe: None for curve in curves}:
        for keys, _ in spec.flags(recipe):
            flag = f"--{keys[-1]}"
            if flag == _NEVER_IN_A_FILE:
                raise spec.error(keys, ": a key is no part of a spec: set OPENAI_API_KEY")
            if flag in _SET_BY_THE_SWEEP:
                raise spec.error(keys, ": the sweep sets it, from its own fields: leave it out")
            if flag not in known:
                raise spec.error(keys, ": replay has no such flag (imaxproxy replay --help)")
    for curve in curves:
        at = ("recipe", curve.variant.recipe)
        try:
            _, flags = parsed(curve.points[0].argv)
            if flags["url"] is not None:
                BaseUrl.parse(flags["url"], "url")
        except click.ClickException as error:
            raise spec.error(at, f": replay says: {error.format_message()}") from error
        except UsageError as error:
            raise spec.error(at, f": {error}") from error


def make_free(point: Point) -> None:
    """Remove what a run left that did not come to its end. Raises UsageError where that is not possible."""
    if not point.run.exists():
        return
    try:
        shutil.rmtree(point.run)
    except OSError as error:
        raise UsageError(f"{point.run} is half a run, and cannot be removed: {error.strerror}") from error
