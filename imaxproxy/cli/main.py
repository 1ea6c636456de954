"""`imaxproxy`: the commands, each imported when it is called, so that `--help` comes at once."""

import errno
import importlib
import io
import os
import sys

import click

from imaxproxy import __version__
from imaxproxy.errors import ImaxproxyError

COMMANDS: dict[str, str] = {
    "serve": "Stand between clients and an engine, and measure every token.",
    "replay": "Send a trace to an engine, and measure what comes back.",
    "search": "Find the highest rate or concurrency that still meets an SLO.",
    "sweep": "Play a grid of recipes, workloads and loads; go on where it stopped.",
    "top": "Watch a running proxy: throughput, latency, streams in flight.",
    "merge": "Make one run of the shares that several machines played.",
    "report": "A run's table again; a page or pictures of many runs; a list of runs.",
    "cost": "What tokens cost and bring in: from figures, or from a run.",
    "compare": "Run against run: what changed, how surely, and is it a regression.",
    "frontier": "The Pareto frontier of runs, and machines at the same interactivity.",
    "export": "Write a run as other tools write theirs.",
    "engine": "Recipes of engines: list, check, launch, stop; predict them without a GPU.",
    "power": "What this machine tells of its power: sources, sensors, watts now.",
    "doctor": "Look at this machine: what would spoil a measurement, and what mends it.",
    "trace": "Look at a trace: what is in it, is it sound.",
}
"""Name -> the one line of `--help`. The command `x` is `imaxproxy.cli.x:x`."""


class LazyGroup(click.Group):
    """Knows its commands by name, imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"imaxproxy.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="imaxproxy")
def cli() -> None:
    """The meter for LLM serving: TTFT, ITL and tokens/s per user of any OpenAI-compatible engine, with its cost.

    \b
    Measure real traffic     imaxproxy serve --upstream http://127.0.0.1:8000
    Replay a trace           imaxproxy replay trace.jsonl --url http://127.0.0.1:8000/v1
    No GPU at hand           imaxproxy replay trace.jsonl --engine gpt-oss-120b-b200-vllm --simulate
    """


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})
"""What the machine has run out of; any other error of the system's that comes as far as this is a bug of ours."""


def main() -> None:
    """Run; a user's mistake is one line on stderr. Exit 0 done, 1 the run failed, 2 bad usage, 130 interrupted."""
    _make_streams_usable()
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message())
        code = 2
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" (see `{context.command_path} --help`)" if context is not None else ""
        code = _complain(f"{error.format_message()}{hint}", 2)
    except ImaxproxyError as error:
        code = _complain(str(error), error.exit_code)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        where = f"{error.filename}: " if error.filename else ""
        code = _complain(f"{where}{error.strerror}; what was written so far is kept, and is not whole", 1)
    except (KeyboardInterrupt, click.Abort):
        code = _complain("interrupted", 130)
    sys.exit(code if isinstance(code, int) else 0)


def _make_streams_usable() -> None:
    """Whoever closed one of the three hears nothing; left so, the next file or socket would take its number.

    A terminal that lacks a sign of ours gets a question mark in its place.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _complain(message: str, code: int) -> int:
    print(f"imaxproxy: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
