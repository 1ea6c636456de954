"""Where a run's power is read: `--power` and what goes with it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from imaxproxy.conduct.flags.seconds import seconds
from imaxproxy.errors import UsageError

AUTO, OFF, SIM, FILE = "auto", "off", "sim", "file"


@dataclass(frozen=True, slots=True)
class PowerChoice:
    """What the flags say."""

    source: str = OFF
    """`auto`, `off`, `sim`, `file:PATH`, or sources with commas between (`imaxproxy.power.opening`)."""
    devices: str | None = None
    baseline_s: float = 3.0
    tail_s: float = 1.0
    tick_ms: float | None = None

    @classmethod
    def of(cls, flags: dict[str, Any]) -> "PowerChoice":
        """Raises UsageError for a source that nobody knows, and for flags that do not go together."""
        choice = cls(
            flags["power"],
            flags["power_devices"],
            flags["power_baseline"],
            flags["power_tail"],
            flags["power_tick"],
        )
        choice._check(simulate=flags["simulate"])
        return choice

    @property
    def is_on(self) -> bool:
        return self.source != OFF

    @property
    def file(self) -> Path | None:
        """The recording to take."""
        kind, _, path = self.source.partition(":")
        return Path(path) if kind == FILE and path else None

    def _check(self, *, simulate: bool) -> None:
        if simulate and self.source not in (OFF, AUTO, SIM):
            raise UsageError(f"--power {self.source}: a simulated engine models its own boards, give --power sim")
        if self.source == SIM and not simulate:
            raise UsageError("--power sim goes with --engine RECIPE --simulate; for one that runs give sim:URL")
        if self.file is not None and not self.file.exists():
            raise UsageError(f"--power {self.source}: there is no such file")
        if self.source not in (AUTO, OFF, SIM) and self.file is None:
            from imaxproxy.power.opening import opener

            for spec in self.source.split(","):
                opener(spec.strip())


def power_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """The flags that `PowerChoice` takes."""
    options: list[Callable[..., Any]] = [
        click.option(
            "--power",
            is_flag=False,
            flag_value=AUTO,
            default=OFF,
            show_default=True,
            metavar="SOURCE",
            help="Energy by: auto, nvml, amdsmi, rapl, dcgm:URL, sim, sim:URL, file:PATH, off; several with commas.",
        ),
        click.option("--power-devices", metavar="G,G,..", help="The engine's GPUs: indices or UUIDs; all for all."),
        click.option(
            "--power-baseline",
            type=seconds,
            default=3.0,
            show_default=True,
            metavar="S",
            help="Idle time to measure before the first request.",
        ),
        click.option(
            "--power-tail",
            type=seconds,
            default=1.0,
            show_default=True,
            metavar="S",
            help="Sample on after the last answer: longer than the source's own period.",
        ),
        click.option(
            "--power-tick",
            type=click.FloatRange(1, 60_000),
            metavar="MS",
            help="Sample so often.  [default: by the sensor's own period, 20 to 100]",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command
