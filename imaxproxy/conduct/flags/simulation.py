"""How a recipe is simulated: live, live but faster, or in virtual time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from imaxproxy.errors import UsageError

if TYPE_CHECKING:
    from imaxproxy.launch import Recipe
    from imaxproxy.sim import SimArgs

_NOT_VIRTUAL: dict[str, tuple[Any, str]] = {
    "retries": (0, "nothing fails there that a second attempt would mend"),
    "tokenizer": (None, "its engine counts words"),
}
"""What the live player does and the virtual one cannot: what it is when nobody asks for it, and why not. What need not
be done there (to calibrate, to share a schedule over `--workers`) is no mistake to ask for."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the flags say."""

    virtual: bool
    time_scale: float

    @classmethod
    def of(cls, flags: dict[str, Any]) -> "Simulation":
        """Raises UsageError for flags that do not go together."""
        simulation = cls(flags["virtual"], flags["time_scale"])
        simulation._check(simulate=flags["simulate"], model=flags["model"])
        if simulation.virtual:
            for name, (plain, why) in _NOT_VIRTUAL.items():
                if flags[name] != plain:
                    raise UsageError(
                        f"--{name.replace('_', '-')} has no counterpart in virtual time, where {why}: leave it out"
                    )
        return simulation

    def _check(self, *, simulate: bool, model: str | None) -> None:
        """Raises UsageError for flags that do not go together."""
        for flag, is_given in (("--virtual", self.virtual), ("--time-scale", self.time_scale != 1.0)):
            if is_given and not simulate:
                raise UsageError(f"{flag} is about a simulated engine: give --engine RECIPE --simulate too")
        if self.virtual and self.time_scale != 1.0:
            raise UsageError("--virtual takes no time at all: leave --time-scale out")
        if self.virtual and model is not None:
            raise UsageError("--virtual asks the recipe's own model: leave --model out")


def simulation_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """The flags of a simulation."""
    options: list[Callable[[click.decorators.FC], click.decorators.FC]] = [
        click.option(
            "--virtual", is_flag=True, help="With --simulate: no sockets, no waiting; time itself is simulated."
        ),
        click.option(
            "--time-scale",
            default=1.0,
            show_default=True,
            metavar="X",
            help="With --simulate: an engine X times as fast as it would be.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def simulated_args(recipe: "Recipe") -> "SimArgs":
    """What the simulated engine of a recipe is told, checked as a whole: it fits, it divides, its GPU is known.

    Raises UsageError that names the recipe's file, before a process is started or a directory made.
    """
    from imaxproxy.launch import simulated_argv
    from imaxproxy.sim import assemble, parse_args

    try:
        args = parse_args(simulated_argv(recipe))
        assemble(args)
    except UsageError as error:
        raise UsageError(f"{recipe.path}: {error}") from None
    return args
