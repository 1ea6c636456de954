"""`imaxproxy power`."""

import sys
import time

import click

from imaxproxy.clock import NS_PER_S, monotonic_ns
from imaxproxy.conduct.flags.seconds import seconds
from imaxproxy.conduct.output import print_json, say
from imaxproxy.errors import UsageError
from imaxproxy.power import PowerSample, SourceError, SourceLostError
from imaxproxy.power.opening import LOCAL, opener
from imaxproxy.power.survey import Seen, look_at, watts_now

_LIVE_S = 0.5


class _Power(click.Group):
    """A command of its own, and the door of another one: imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["join"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "join":
            return None
        from imaxproxy.cli.power_join import join

        return join


@click.group(
    cls=_Power,
    invoke_without_command=True,
    short_help="What this machine tells of its power: sources, sensors, watts now.",
)
@click.option(
    "--source",
    "specs",
    multiple=True,
    metavar="SOURCE",
    help="nvml, amdsmi, rapl, dcgm:URL, sim:URL.  [default: all here]",
)
@click.option(
    "--look", type=seconds, default=2.0, show_default=True, metavar="S", help="Watch each source for so long."
)
@click.option("--live", is_flag=True, help="Then go on with a line of watts twice a second, until Ctrl-C.")
@click.option("--for", "for_s", type=seconds, metavar="S", help="With --live: for so long.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
@click.pass_context
def power(
    ctx: click.Context, specs: tuple[str, ...], look: float, live: bool, for_s: float | None, as_json: bool
) -> int:
    """What this machine's power sensors are, how often they move, and what they read while nothing is asked of them.

    \b
    imaxproxy power
    imaxproxy power --source dcgm:http://gpu-host:9400
    imaxproxy power --live
    imaxproxy power join RUN FILE    # what was recorded beside a run, joined afterwards

    Mean watts of an idle machine are its idle watts: look before the engine starts, and again with it loaded. Exit 1
    when there is nothing to read.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    if for_s is not None and not live:
        raise UsageError("--for goes with --live")
    found, missing = _survey(specs or tuple(LOCAL), look)
    if as_json:
        devices = {name: [each.as_dict() for each in seen] for name, seen in found.items()}
        print_json({"schema": "imaxproxy.power_survey/1", "sources": devices, "missing": missing, "looked_s": look})
    else:
        _print(found, missing)
    if live and found:
        _go_on(list(found), for_s)
    return 0 if found else 1


def _survey(specs: tuple[str, ...], look_s: float) -> tuple[dict[str, list[Seen]], dict[str, str]]:
    found: dict[str, list[Seen]] = {}
    missing: dict[str, str] = {}
    for spec in specs:
        try:
            found[spec] = look_at(opener(spec), monotonic_ns, _nap, look_s)
        except SourceError as error:
            missing[spec] = str(error)
    return found, missing


def _nap(until_ns: int) -> bool:
    time.sleep(max(until_ns - monotonic_ns(), 0) / NS_PER_S)
    return False


def _print(found: dict[str, list[Seen]], missing: dict[str, str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    for spec, seen in found.items():
        table = Table(box=box.SIMPLE_HEAD, title=spec, title_justify="left", header_style="bold", pad_edge=False)
        for name in ("device", "boundary", "watts now", "limit", "counter moves", "watts move"):
            table.add_column(name, justify="left" if name in ("device", "boundary") else "right")
        for each in seen:
            table.add_row(*_cells(each))
        console.print(table)
    for spec, why in missing.items():
        console.print(f"[yellow]{spec}:[/] {why.partition(': ')[2] or why}")


def _cells(seen: Seen) -> list[str]:
    device = seen.series.device
    number = "" if device.index is None else f"{device.index} "
    notes = f" ({', '.join(device.notes)})" if device.notes else ""
    return [
        f"{number}{device.name or device.device}{notes}",
        str(device.boundary),
        _watts(seen.mean_w),
        _watts(device.limit_w),
        _period(device.counter_update_ms, is_there=len(seen.series.counter) > 0),
        _period(device.power_update_ms, is_there=len(seen.series.instant) + len(seen.series.average) > 0),
    ]


def _watts(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f} W"


def _period(value_ms: float | None, *, is_there: bool) -> str:
    if not is_there:
        return "none"
    if value_ms is None:
        return "not seen"
    return "at every read" if value_ms == 0 else f"every {value_ms:,.0f} ms"


def _go_on(specs: list[str], for_s: float | None) -> None:
    """A line twice a second; it ends when the last source is lost."""
    sources = [opener(spec)() for spec in specs]
    names = {d.device: f"GPU {d.index}" if d.index is not None else d.device for s in sources for d in s.devices()}
    before: dict[str, PowerSample] = {}
    end_ns = None if for_s is None else monotonic_ns() + round(for_s * NS_PER_S)
    try:
        while end_ns is None or monotonic_ns() < end_ns:
            time.sleep(_LIVE_S)
            samples = [sample for source in sources for sample in source.sample()]
            watts = watts_now(samples, before)
            before = {sample.device: sample for sample in samples}
            _line("  ".join(f"{names.get(name, name)} {_watts(value)}" for name, value in watts.items()))
    except SourceLostError as error:
        say(f"imaxproxy: the source answers no more: {error}")
    except KeyboardInterrupt:
        pass
    finally:
        for source in sources:
            source.close()
        if sys.stdout.isatty():
            say("")


def _line(text: str) -> None:
    """Over itself on a terminal, one below the other in a pipe."""
    if sys.stdout.isatty():
        print(f"\r{text}\x1b[K", end="", flush=True)
    else:
        print(text, flush=True)
