"""The flags that say how a run is judged: objectives, windows, the meter."""

from typing import Any

import click

from imaxproxy.conduct.flags.seconds import seconds, seconds_from_0
from imaxproxy.load import Ended
from imaxproxy.metrics import objectives_of

_FAILED_LIMIT = 0.05
"""InferenceX's bound: more failed requests than that, and the run has failed."""
INTERRUPTED_CODE = 130

JUDGE_OPTIONS = [
    click.option(
        "--slo", metavar="SLO", help="What good service is: 'ttft_ms<500,tpot_ms<50@p99'. Exit 1 where it is not met."
    ),
    click.option(
        "--warmup",
        type=seconds_from_0,
        metavar="S",
        help="The steady window starts S seconds after the first send.  [default: found]",
    ),
    click.option(
        "--cooldown",
        type=seconds_from_0,
        metavar="S",
        help="The steady window ends S seconds before the last send.  [default: 0]",
    ),
    click.option("--slice", type=seconds, metavar="S", help="The main figures for each S seconds as well."),
    click.option("--strict", is_flag=True, help="Exit 1 when the meter does not believe its own figures."),
]


def judge_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """Add them to a command."""
    for option in reversed(JUDGE_OPTIONS):
        command = option(command)
    return command


def check_judgement(flags: dict[str, Any]) -> None:
    """Raises UsageError for objectives that nobody can read."""
    if flags["slo"] is not None:
        objectives_of(flags["slo"])


def exit_code(summary: dict[str, Any], *, strict: bool = False) -> int:
    """0; 1 when too much failed, the SLO was not met, or (strict) the meter is not valid; 130 when interrupted."""
    requests, slo = summary["requests"], summary["slo"]
    bad = requests["failed"] + requests["truncated"]
    if summary["ended"] == Ended.INTERRUPTED:
        return INTERRUPTED_CODE
    failed = not requests["completed"] or bad > _FAILED_LIMIT * requests["sent"]
    missed = slo is not None and not slo["met"]
    unsure = strict and not summary["meter"]["valid"]
    return 1 if failed or missed or unsure else 0
